/** An honest peer of `test/bench/hostile.ts`: asks for pieces, four at a time, checks each, and comes back when it loses its link. */
import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { on } from 'node:events'
import { systemClock } from '../../../src/core/clock.ts'
import { silentLogger } from '../../../src/core/log.ts'
import { pieceLayout, pieceRange } from '../../../src/core/piece-layout.ts'
import { createDefaultNode } from '../../../src/net/libp2p-node.ts'
import { LinkHost } from '../../../src/net/link-host.ts'
import type { Link } from '../../../src/net/link.ts'
import { seededContent } from '../../../src/testing/seeded-content.ts'
import { limits, protocolVersion } from '../../../src/wire/protocol.ts'
import type { FromPeer, HostilePeerSetup, ToPeer } from './hostile-messages.ts'
import { runWorker } from './worker.ts'

await runWorker<HostilePeerSetup, FromPeer>(async ({ seed, sizeBytes, addresses }, { tell, released }) => {
  const orders = on(process, 'message', { close: ['disconnect'] }) as AsyncIterable<[ToPeer]>
  const content = seededContent(seed, sizeBytes)
  const layout = pieceLayout(sizeBytes)
  const hashes = Array.from({ length: layout.pieceCount }, (_, piece) => hashOf(content.read(pieceRange(layout, piece))))
  let [bytes, wrongPieces, lostLinks, next] = [0, 0, 0, 0]
  const node = await createDefaultNode({ listen: [] })
  const closed = new WeakMap<Link, () => void>()
  const host = new LinkHost({
    node,
    hello: () => ({ type: 'hello', version: protocolVersion, supernode: false, location: { region: '', zone: '', rack: '' } }),
    handlers: { opened() {}, message() {}, request: (request) => request.absent(), closed: (link) => closed.get(link)?.() },
    clock: systemClock,
    logger: silentLogger,
    maxLinks: 4,
  })
  await host.start()
  await node.start()

  const askOn = (link: Link): void => {
    const piece = next++ % layout.pieceCount
    const hash = createHash('sha256')
    const again = (waitMs: number): void => void (link.closed ? undefined : waitMs > 0 ? setTimeout(() => askOn(link), waitMs) : askOn(link))
    const { length } = pieceRange(layout, piece)
    link.request(content.digest, piece, length, {
      header() {},
      chunk: (chunk) => void hash.update(chunk),
      end() {
        if (hash.digest('hex') === hashes[piece]) bytes += length
        else wrongPieces++
        again(0)
      },
      busy: again,
      absent: () => again(100),
      failed: () => again(100),
    })
  }
  const pull = async (): Promise<void> => {
    while (!released.aborted) {
      try {
        const link = await host.dial({ addresses })
        const ended = Promise.withResolvers<void>()
        closed.set(link, ended.resolve)
        for (let request = 0; request < limits.dataStreams; request++) askOn(link)
        await ended.promise
      } catch {
        // It is refused, or not answered in time.
      }
      lostLinks++
      await pause(100)
    }
  }
  void pull()
  tell({ type: 'ready' })
  for await (const _ of orders) {
    const { user, system } = process.cpuUsage()
    tell({ type: 'count', bytes, wrongPieces, lostLinks, cpuSeconds: (user + system) / 1e6 })
  }
})

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
