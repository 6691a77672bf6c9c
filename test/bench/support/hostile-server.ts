/** The node that `test/bench/hostile.ts` attacks: seeds one blob, and when it is told to, loads others that bad peers pretend to have. */
import { on } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Origin } from '../../../src/core/origin.ts'
import { fsBackend } from '../../../src/store/fs-backend.ts'
import { PieceStore } from '../../../src/store/piece-store.ts'
import { createSwarm } from '../../../src/swarm/create-swarm.ts'
import { seededContent, type BlobContent } from '../../../src/testing/seeded-content.ts'
import { bait, type FromServer, type HostileServerSetup, type ToServer } from './hostile-messages.ts'
import { runWorker } from './worker.ts'

await runWorker<HostileServerSetup, FromServer>(async ({ storeDir, seed, sizeBytes }, { tell }) => {
  const orders = on(process, 'message', { close: ['disconnect'] }) as AsyncIterable<[ToServer]>
  const counters: Record<string, number> = {}
  await using store = await PieceStore.open(fsBackend(storeDir))
  await using swarm = await createSwarm({
    store,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    discovery: [],
    metrics: {
      add(name, value, labels = {}) {
        const key = [name, ...Object.values(labels)].join(' ')
        counters[key] = (counters[key] ?? 0) + value
      },
      set() {},
    },
  })
  const content = seededContent(seed, sizeBytes)
  const { digest } = content
  await swarm.seed({ blob: { digest, size: sizeBytes, mediaType: 'application/octet-stream' }, bytes: bytesOf(content) })
  let [blobsLoaded, loading] = [0, false]
  const load = async (): Promise<void> => {
    for (let next = bait.firstSeed; loading; next++) {
      const wanted = seededContent(next, bait.sizeBytes)
      const blob = await swarm.fetchLayer({ digest: wanted.digest, size: bait.sizeBytes, origin: originOf(wanted) })
      await blob.close()
      blobsLoaded++
      await pause(200)
    }
  }
  tell({ type: 'ready', addresses: swarm.addresses })
  for await (const [order] of orders) {
    if (order.type === 'load') {
      loading = order.on
      if (loading) void load()
      continue
    }
    if (order.collect) collectAll()
    const { rss, heapUsed, arrayBuffers } = process.memoryUsage()
    const { user, system } = process.cpuUsage()
    tell({
      type: 'use',
      counters,
      blobsLoaded,
      use: {
        rssBytes: rss,
        heapBytes: heapUsed,
        buffersBytes: arrayBuffers,
        handles: process.getActiveResourcesInfo().length,
        links: swarm.stats().links.length,
        cpuSeconds: (user + system) / 1e6,
      },
    })
  }
})

function collectAll(): void {
  setFlagsFromString('--expose-gc')
  const gc: () => void = runInNewContext('gc')
  for (let round = 0; round < 3; round++) gc()
}

async function* bytesOf(content: BlobContent): AsyncGenerator<Uint8Array> {
  const step = 1024 * 1024
  for (let offset = 0; offset < content.sizeBytes; offset += step) {
    yield content.read({ offset, length: Math.min(step, content.sizeBytes - offset) })
  }
}

function originOf(content: BlobContent): Origin {
  return {
    name: 'memory',
    read: async ({ offset, length } = { offset: 0, length: content.sizeBytes }) => ({
      sizeBytes: content.sizeBytes,
      usedCredentials: false,
      chunks: (async function* () {
        yield content.read({ offset, length })
      })(),
    }),
  }
}
