import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { describe, test } from 'vitest'
import type { PeerErrorCode } from '../../src/core/errors.ts'
import { inboundLimits } from '../../src/net/inbound-gate.ts'
import { fakeClock } from '../../src/testing/fake-clock.ts'
import { manyTurns, startNode, type TestNode } from './nodes.ts'
import { dataFrame, pingFrame, RawMuxer, syn } from './raw-muxer.ts'
import { RawPeer } from './raw-peer.ts'

/** The code with which the node ended its link to the peer, which has lost its connection, too. */
async function endOf(node: TestNode, peer: RawPeer): Promise<PeerErrorCode | undefined> {
  await node.log.until((log) => log.closed.length > 0)
  while (node.node.getConnections().length + peer.node.getConnections().length > 0) await setImmediate()
  assert.deepEqual([...node.host.links()], [])
  return node.log.closed[0]?.error?.code
}

describe('a peer that floods', () => {
  test('with a thousand streams loses its connection', async () => {
    await using node = await startNode()
    await using peer = await RawPeer.start()
    await peer.link(node)
    const muxer = new RawMuxer(await peer.connect(node))
    for (let count = 0; count < 1000; count++) muxer.open()
    assert.equal(await endOf(node, peer), 'ERR_PEER_LIMIT')
  })

  test('with streams that it resets at once loses its connection', async () => {
    await using node = await startNode()
    await using peer = await RawPeer.start()
    await peer.link(node)
    const muxer = new RawMuxer(await peer.connect(node))
    for (let count = 0; count < 400; count++) muxer.reset(muxer.open())
    assert.equal(await endOf(node, peer), 'ERR_PEER_LIMIT')
  })

  test('with pings loses its connection', async () => {
    await using node = await startNode()
    await using peer = await RawPeer.start()
    await peer.link(node)
    const muxer = new RawMuxer(await peer.connect(node))
    for (let count = 0; count < 100; count++) muxer.frame({ type: pingFrame, flag: syn, streamID: 0, length: count })
    assert.equal(await endOf(node, peer), 'ERR_PEER_LIMIT')
  })

  test('loses only its own connection', async () => {
    await using node = await startNode()
    await using peer = await RawPeer.start()
    await using honest = await startNode()
    await honest.host.dial(node)
    await peer.link(node)
    const muxer = new RawMuxer(await peer.connect(node))
    for (let count = 0; count < 1000; count++) muxer.open()
    await node.log.until((log) => log.closed.length > 0)
    assert.deepEqual([...node.host.links()].map(({ peerId }) => peerId), [honest.peerId])
    assert.equal(honest.log.closed.length, 0)
  })
})

describe('a peer that announces a muxer frame beyond its window', () => {
  test('loses its connection before a byte of it is kept', async () => {
    await using node = await startNode()
    await using peer = await RawPeer.start()
    await peer.link(node)
    new RawMuxer(await peer.connect(node)).frame({ type: dataFrame, flag: 0, streamID: 1, length: 2 ** 31 - 1 }, Buffer.alloc(1000))
    assert.equal(await endOf(node, peer), 'ERR_PEER_PROTOCOL')
  })
})

describe('sockets that never speak', () => {
  async function openSockets(node: TestNode, count: number): Promise<Socket[]> {
    const [, port] = /\/tcp\/(\d+)/.exec(node.addresses[0] ?? '') ?? []
    const sockets = Array.from({ length: count }, () => connect({ port: Number(port), host: '127.0.0.1' }).on('error', () => {}))
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    await manyTurns()
    return sockets
  }

  test('do not keep others out, five hundred of them', async () => {
    await using node = await startNode()
    await using honest = await startNode()
    const sockets = await openSockets(node, 500)
    await honest.host.dial(node)
    for (const socket of sockets) socket.destroy()
  })

  test('make room for others when there are more than may wait', async () => {
    const clock = fakeClock()
    await using node = await startNode({ clock })
    await using honest = await startNode()
    const sockets = await openSockets(node, inboundLimits.pending + 100)
    await assert.rejects(honest.host.dial(node), { code: 'ERR_PEER_UNREACHABLE' })
    clock.advance(inboundLimits.giveWayMs)
    await honest.host.dial(node)
    for (const socket of sockets) socket.destroy()
  })
})
