/**
 * A node of a bench that is given next to nothing to do: it opens its store, starts, tells what it costs when asked, answers others, and looks
 * for blobs of others where it is told to.
 */
import { once, on } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import type { Swarm } from '../../../src/index.ts'
import type { FilledBlob } from './filled-store.ts'
import { epochMs } from './worker-process.ts'
import { loadProduct, runWorker } from './worker.ts'

/** How a bench starts an idle node. */
export interface IdleSetup {
  readonly entry: string
  readonly storeDir: string
  readonly bootstrap: readonly string[]
  readonly multicast: boolean
  /** Multiaddrs on which it listens. @defaultValue the library's */
  readonly listen?: readonly string[] | undefined
}

/** What a bench tells an idle node. */
export type ToIdle =
  | { readonly type: 'usage' }
  | { readonly type: 'links'; readonly atLeast: number }
  /** To begin fetching one of the blobs after the other until one has come. */
  | { readonly type: 'findOne'; readonly blobs: readonly FilledBlob[] }
  /** To fetch all of them. */
  | { readonly type: 'findAll'; readonly blobs: readonly FilledBlob[] }

/** What an idle node tells a bench. */
export type FromIdle =
  | { readonly type: 'ready'; readonly addresses: readonly string[]; readonly storeEpochMs: number; readonly nodeEpochMs: number }
  | { readonly type: 'linked'; readonly count: number }
  | ({ readonly type: 'usage' } & ProcessUsage)
  | { readonly type: 'found'; readonly epochMs: number; readonly foundBy: readonly string[] }

/** What a process takes. */
export interface ProcessUsage {
  readonly rssBytes: number
  readonly heapBytes: number
  /** Since it started. */
  readonly cpuSeconds: number
  readonly linkCount: number
  readonly blobCount: number
}

/** Time for several looks at all links and at the DHT, on a busy machine. */
const attemptLimitMs = 30_000
const betweenAttemptsMs = 100

await runWorker<IdleSetup, FromIdle>(async (setup, { tell, released }) => {
  const orders = on(process, 'message', { close: ['disconnect'] }) as AsyncIterable<[ToIdle]>
  const { PieceStore, fsBackend, createSwarm, dht, mdns, peers } = await loadProduct(setup.entry)
  await using store = await PieceStore.open(fsBackend(setup.storeDir))
  const storeEpochMs = epochMs()
  await using swarm = await createSwarm({
    store,
    listen: setup.listen,
    discovery: [dht(), ...(setup.multicast ? [mdns()] : []), ...(setup.bootstrap.length > 0 ? [peers(setup.bootstrap)] : [])],
  })
  tell({ type: 'ready', addresses: swarm.addresses, storeEpochMs, nodeEpochMs: epochMs() })
  const linkCount = (): number => swarm.stats().links.length
  for await (const [order] of orders) {
    switch (order.type) {
      case 'links':
        while (linkCount() < order.atLeast) await once(swarm, 'peer:linked', { signal: released })
        tell({ type: 'linked', count: linkCount() })
        break
      case 'findOne':
        tell({ type: 'found', ...(await findOne(swarm, order.blobs, released)) })
        break
      case 'findAll': {
        const found = await Promise.all(order.blobs.map((blob) => findOne(swarm, [blob], released)))
        tell({ type: 'found', epochMs: Math.max(...found.map((each) => each.epochMs)), foundBy: [] })
        break
      }
      case 'usage': {
        const { rss, heapUsed } = process.memoryUsage()
        const { user, system } = process.cpuUsage()
        const { blobCount } = store.usage()
        tell({ type: 'usage', rssBytes: rss, heapBytes: heapUsed, cpuSeconds: (user + system) / 1e6, linkCount: linkCount(), blobCount })
      }
    }
  }
})

/**
 * One attempt after the other, for another blob each time as long as there are any: who fetches what nobody has yet asks again after ever longer
 * times, and that is not what is measured.
 */
async function findOne(
  swarm: Swarm,
  blobs: readonly FilledBlob[],
  released: AbortSignal,
): Promise<{ epochMs: number; foundBy: readonly string[] }> {
  for (let attempt = 0; ; attempt++) {
    const { digest, sizeBytes } = blobs[attempt % blobs.length] ?? {}
    if (digest === undefined || sizeBytes === undefined) throw new RangeError('no blobs to look for')
    try {
      const signal = AbortSignal.any([AbortSignal.timeout(attemptLimitMs), released])
      await using stored = await swarm.fetchLayer({ digest, size: sizeBytes }, { signal })
      return { epochMs: epochMs(), foundBy: stored.stats.peers.flatMap(({ foundBy }) => foundBy) }
    } catch {
      released.throwIfAborted()
      // Nobody has it yet, as far as could be seen.
      await pause(betweenAttemptsMs)
    }
  }
}
