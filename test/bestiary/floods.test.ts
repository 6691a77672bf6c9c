import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { describe, test } from 'vitest'
import type { Swarm } from '../../src/swarm/swarm.ts'
import { seededContent, type BlobContent } from '../../src/testing/seeded-content.ts'
import { limits, pieceProtocol } from '../../src/wire/protocol.ts'
import type { LabNode } from '../lab/lab-node.ts'
import { RawMuxer } from '../net/raw-muxer.ts'
import { RawPeer, RawStream } from '../net/raw-peer.ts'
import { TestNodes } from '../support/nodes.ts'
import { Figures } from './figures.ts'
import { rawLink } from './raw-link.ts'
import { assertHolds, originOf } from './real.ts'
import { Stage } from './stage.ts'

const mib = 1024 * 1024

describe('peers that take more than their share', () => {
  test('B14: who opens a thousand streams, or resets them as fast as it opens them, loses its connection; pulls go on', async () => {
    await using nodes = new TestNodes()
    const content = seededContent(14, 3 * mib)
    const figures = new Figures()
    const victim = await nodes.start([], { metrics: figures })
    await hold(victim, content)
    const honest = await nodes.start([victim])
    const pulled = honest.fetchLayer({ digest: content.digest, size: content.sizeBytes })
    for (const flood of [opensMany, resetsMany]) {
      await using peer = await RawPeer.start()
      const connection = await peer.connect(victim)
      const ended = once(connection, 'close')
      flood(new RawMuxer(connection))
      await ended
    }
    await assertHolds(await pulled, content)
    assert.equal(figures.of('damselfly_connections_ended_total', { code: 'ERR_PEER_LIMIT' }), 2)
    assert.deepEqual(victim.stats().links.map(({ peerId }) => peerId), [honest.peerId])
    assert.equal(figures.of('damselfly_bans_total'), 0)
  })

  test('B15: who never reads what it asked for fills a window a stream, and loses its link after half a minute; pulls go on', async () => {
    await using stage = new Stage(15, 12)
    const seeder = await stage.seeder()
    const { leech, unread, askedMs } = await asksAndNeverReads(stage, seeder)
    const node = await stage.node()
    const { tookMs } = await stage.pull(node, { origin: false })
    assert.ok(tookMs < 10_000, `${tookMs} ms`)
    assert.ok(unread() > 0 && unread() <= mib, `${unread()} bytes wait for it`)
    assert.equal(leech.streams.length, 1 + limits.dataStreams)
    const code = 'ERR_PEER_STALL'
    const figures = stage.figures(seeder)
    assert.ok(await stage.lab.time.run(askedMs + 60_000, () => figures.of('damselfly_links_ended_total', { code }) > 0))
    const heldMs = stage.lab.time.now - askedMs
    assert.ok(heldMs >= 30_000 && heldMs <= 31_000, `${heldMs} ms`)
    assert.deepEqual(stage.bans(seeder), [])
    assert.equal(unread(), 0)
  })

  test('B16: five hundred connections that say nothing keep no pull from its end, in or out', async () => {
    await using nodes = new TestNodes()
    const [ours, theirs] = [seededContent(16, 3 * mib), seededContent(161, 3 * mib)]
    const victim = await nodes.start()
    await hold(victim, ours)
    const [, port] = /\/tcp\/(\d+)/.exec(victim.addresses[0] ?? '') ?? []
    const sockets = Array.from({ length: 500 }, () => connect({ port: Number(port), host: '127.0.0.1' }).on('error', () => {}))
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    const honest = await nodes.start([victim])
    await hold(honest, theirs)
    await assertHolds(await honest.fetchLayer({ digest: ours.digest, size: ours.sizeBytes }), ours)
    await assertHolds(await victim.fetchLayer({ digest: theirs.digest, size: theirs.sizeBytes }), theirs)
    assert.deepEqual(victim.stats().links.map(({ peerId }) => peerId), [honest.peerId])
    for (const socket of sockets) socket.destroy()
    while (sockets.some(({ closed }) => !closed)) await setImmediate()
  })
})

function opensMany(muxer: RawMuxer): void {
  for (let count = 0; count < 1000; count++) muxer.open()
}

function resetsMany(muxer: RawMuxer): void {
  for (let count = 0; count < 1000; count++) muxer.reset(muxer.open())
}

/** Asks for a piece on each stream that it may open, and reads none of them. Gives how many bytes wait for it. */
async function asksAndNeverReads(stage: Stage, seeder: LabNode): Promise<{ leech: { streams: unknown[] }; unread: () => number; askedMs: number }> {
  const { time } = stage.lab
  const { host, connection, control } = await rawLink(stage, seeder)
  const { digest, sizeBytes } = stage.content
  control.send({ type: 'bitfield', digest, sizeBytes, wants: true, complete: false, private: false, bits: new Uint8Array(0) })
  await time.run(time.now + 1000)
  const askedMs = time.now
  for (let piece = 0; piece < limits.dataStreams; piece++) {
    const stream = await time.until(connection.newStream(pieceProtocol))
    stream.pause()
    new RawStream(stream).send({ type: 'request', digest, piece })
  }
  await time.run(time.now + 1000)
  const unread = (): number => {
    let bytes = 0
    for (const end of seeder.libp2p.connections) {
      if (end.remotePeer.equals(host.peerId)) for (const stream of end.streams) bytes += stream.waitingBytes
    }
    return bytes
  }
  return { leech: connection, unread, askedMs }
}

/** The node gets a blob from somewhere. */
async function hold(node: Swarm, content: BlobContent): Promise<void> {
  await using blob = await node.fetchLayer({ digest: content.digest, size: content.sizeBytes, origin: originOf(content) })
  assert.equal(blob.sizeBytes, content.sizeBytes)
}
