import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, test } from 'vitest'
import { Secret } from '../../src/core/secret.ts'
import { createDefaultNode } from '../../src/net/libp2p-node.ts'
import { manyTurns, startNode } from './nodes.ts'
import { RawPeer } from './raw-peer.ts'

describe('the default node', () => {
  test('has an Ed25519 identity of its own, or the one that it is given', async () => {
    const identitySeed = new Secret(randomBytes(32))
    const [one, again, other] = await Promise.all([
      createDefaultNode({ identitySeed }),
      createDefaultNode({ identitySeed }),
      createDefaultNode(),
    ])
    assert.equal(one.peerId.type, 'Ed25519')
    assert.equal(one.peerId.toString(), again.peerId.toString())
    assert.notEqual(one.peerId.toString(), other.peerId.toString())
  })

  test('is not started, and listens where it is told once it is', async () => {
    const node = await createDefaultNode({ listen: ['/ip4/127.0.0.1/tcp/0'] })
    assert.equal(node.status, 'stopped')
    await node.start()
    const [address] = node.getMultiaddrs()
    assert.match(String(address), /^\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/12D3Koo/)
    await node.stop()
  })

  test('only dials when it has nowhere to listen', async () => {
    await using listener = await startNode()
    await using dialler = await startNode({ listen: [] })
    assert.deepEqual(dialler.addresses, [])
    const link = await dialler.host.dial({ addresses: listener.addresses })
    assert.equal(link.peerId, listener.peerId)
  })

  test('lets forty nodes of one host connect in the same moment', async () => {
    await using supernode = await startNode({ maxLinks: 64 })
    await using stack = new AsyncDisposableStack()
    const peers = await Promise.all(
      Array.from({ length: 40 }, async () => stack.use(await startNode({ listen: [] }))),
    )
    await Promise.all(peers.map((peer) => peer.host.dial({ addresses: supernode.addresses })))
    await supernode.log.until((log) => log.opened.length === 40)
  })

  test('bounds the streams of a peer and what it buffers for each', async () => {
    await using node = await startNode()
    await using peer = await RawPeer.start()
    await peer.link(node)
    await manyTurns()
    const connection = await peer.connect(node)
    await node.node.handle('/test/many/1.0.0', () => {}, { maxInboundStreams: 1000 })
    const opened = await Promise.allSettled(
      Array.from({ length: 40 }, () => connection.newStream('/test/many/1.0.0')),
    )
    const openCount = opened.filter(({ status }) => status === 'fulfilled').length
    // The control stream is one of the 32, and identify may still have another.
    assert.ok(openCount >= 28 && openCount <= 31, `${openCount} streams`)
    const [held] = node.node.getConnections().flatMap(({ streams }) => streams)
    assert.equal(held?.maxReadBufferLength, 1024 * 1024)
    for (const { status } of peer.node.getConnections()) assert.equal(status, 'open')
  })

  test('carries the services that it is given beside its own', async () => {
    const node = await createDefaultNode({ services: { extra: () => ({ answer: 42 }) } })
    assert.deepEqual(Object.keys(node.services).toSorted(), ['extra', 'identify', 'ping'])
  })

  test('learns where its peers listen', async () => {
    await using first = await startNode()
    await using second = await startNode()
    await first.node.dial(second.addresses.map((address) => multiaddr(address)))
    const listening = second.addresses.map((address) => address.replace(/\/p2p\/.*/, ''))
    for (;;) {
      const { addresses } = await first.node.peerStore.get(second.node.peerId)
      if (
        addresses.some((known) => known.isCertified && listening.includes(String(known.multiaddr)))
      )
        break
      await setImmediate()
    }
  })
})
