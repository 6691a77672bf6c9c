import assert from 'node:assert/strict'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import { describe, test } from 'vitest'
import { mediaTypes } from '../../src/core/descriptor.ts'
import { peers } from '../../src/discovery/static-discovery.ts'
import { memoryBackend } from '../../src/store/memory-backend.ts'
import { PieceStore } from '../../src/store/piece-store.ts'
import { createSwarm } from '../../src/swarm/create-swarm.ts'
import type { SwarmOptions } from '../../src/swarm/swarm-init.ts'
import { swarmService } from '../../src/swarm/swarm-service.ts'
import type { PeerEvent } from '../../src/swarm/swarm-events.ts'
import { embeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { FakePeer, serveHonestly } from '../support/fake-peer.ts'
import { eventOf, TestNodes } from '../support/nodes.ts'

const mib = 1024 * 1024

/** What a caller without types may pass. */
function untyped(options: object): SwarmOptions {
  return options
}

describe('createSwarm', () => {
  test.each([
    ['a network key that is no key', { network: { key: 'abc' } }],
    ['an origin that it does not know', { origin: 'sometimes' }],
    ['no link at all', { limits: { maxLinks: 0 } }],
    ['less memory than a piece', { limits: { memoryBytes: 1000 } }],
    ['a location that does not fit on the wire', { location: { rack: 'é'.repeat(33) } }],
  ])('refuses %s', async (_, options) => {
    await assert.rejects(createSwarm(untyped({ discovery: [], ...options })), { code: 'ERR_REQUEST_OPTION' })
  })

  test.each(['/ip4/192.0.2.1/tcp/1', '/ip4/127.0.0.1/udp/1', '/bad/thing', 'nonsense'])('cannot listen on %s', async (address) => {
    await using store = await PieceStore.open(memoryBackend())
    await assert.rejects(createSwarm({ store, discovery: [], listen: [address] }), { code: 'ERR_REQUEST_OPTION' })
  })

  test('has no address or identity to give to a node that exists', async () => {
    const libp2p = await createLibp2p({ start: false })
    for (const options of [{ listen: [] }, { identityFile: 'identity' }]) {
      await assert.rejects(createSwarm({ libp2p, ...options }), { code: 'ERR_REQUEST_OPTION' })
    }
  })

  test('refuses to close a network over a node that exists', async () => {
    const libp2p = await createLibp2p({ start: false })
    await assert.rejects(createSwarm({ libp2p, network: { key: '00'.repeat(32) } }), { code: 'ERR_REQUEST_OPTION' })
  })
})

describe('swarmService', () => {
  test('runs with the node that it is a service of', async () => {
    await using nodes = new TestNodes()
    await using store = await PieceStore.open(memoryBackend())
    const content = seededContent(1, 3 * mib)
    const seeder = await nodes.start()
    const bytes = (async function* () { yield content.read({ offset: 0, length: content.sizeBytes }) })()
    await using _seed = await seeder.seed({
      blob: { digest: content.digest, size: content.sizeBytes, mediaType: mediaTypes.octetStream },
      bytes,
    })
    const node = await createLibp2p({
      start: false,
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: {
        identify: identify(),
        ping: ping(),
        images: swarmService({ store, discovery: [peers(seeder.addresses)] }),
      },
    })
    assert.throws(() => node.services.images.swarm, { code: 'ERR_SWARM_CLOSED' })
    await node.start()
    const { swarm } = node.services.images
    const blob = await swarm.fetchLayer({ digest: content.digest, size: content.sizeBytes })
    assert.equal(blob.stats.bytes.peers, content.sizeBytes)
    await node.stop()
    assert.throws(() => node.services.images.swarm, { code: 'ERR_SWARM_CLOSED' })
    await assert.rejects(swarm.fetchLayer({ digest: content.digest, size: content.sizeBytes }), { code: 'ERR_SWARM_CLOSED' })
  })
})

describe('a node among others', () => {
  test('a size that is a lie, and more than the store holds, does not keep the right one from being found', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(7, 2 * mib)
    origin.addBlob(content)
    const bloated = { ...content, digest: content.digest, sizeBytes: 8 * mib, read: ({ length }: { length: number }) => new Uint8Array(length) }
    await using liar = await FakePeer.start(bloated, serveHonestly)
    const store = nodes.use(await PieceStore.open(memoryBackend(), { quotaBytes: 4 * mib }))
    const node = await nodes.start([], { store, origins: [origin], discovery: [peers(liar.addresses)] })
    const blob = await node.fetchLayer(`${origin.host}/t@${content.digest}`)
    assert.equal(blob.sizeBytes, 2 * mib)
  })

  test('whoever holds the empty blob is not disturbed by being asked for it', async () => {
    await using nodes = new TestNodes()
    const empty = seededContent(1, 0)
    const seeder = await nodes.start()
    await seeder.store.import({ digest: empty.digest, size: 0, mediaType: 'x/y' }, (async function* () {})())
    const node = await nodes.start([seeder])
    if (node.stats().links.length === 0) await eventOf<PeerEvent>(node, 'peer:linked')
    await assert.rejects(node.fetchLayer(`registry.invalid/t@${empty.digest}`), { code: 'ERR_SWARM_NO_SOURCE' })
    assert.equal(node.stats().links.length, 1)
  })
})

describe('a peer that is dialled by its address alone', () => {
  test('is said to be found by who gave the address, from its first event on', async () => {
    await using nodes = new TestNodes()
    const first = await nodes.start()
    const second = await nodes.start([], {
      discovery: [peers(first.addresses.map((address) => address.replace(/\/p2p\/.*$/, '')))],
    })
    const [already] = second.stats().links
    const { peerId, foundBy } = already ?? (await eventOf<PeerEvent>(second, 'peer:linked'))
    assert.deepEqual({ peerId, foundBy }, { peerId: first.peerId, foundBy: ['peers'] })
  })
})
