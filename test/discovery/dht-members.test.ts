import assert from 'node:assert/strict'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { describe, test } from 'vitest'
import { dht } from '../../src/discovery/dht-discovery.ts'
import { dhtProtocol } from '../../src/discovery/dht-service.ts'
import type { KnownPeer } from '../../src/discovery/discovery.ts'
import { onRoutablePeer } from '../../src/discovery/routable-peers.ts'
import { contextOf, KadNetwork, loopback, topicOf } from './kad-network.ts'
import { ScriptedRouter } from './scripted-router.ts'

const routable = { 'kad-peer': { value: 1 } }
const address = '/ip4/192.0.2.7/tcp/4001'

describe('nodes of which the DHT tells', () => {
  test('all nodes behind one bootstrap are met, with the addresses on which they listen', async () => {
    await using network = new KadNetwork()
    const bootstrap = await network.add()
    const early = await network.add(bootstrap)
    const log = new MetLog()
    const late = await network.add(bootstrap, { met: log.met })
    for (const member of [bootstrap, early]) {
      const { addresses } = await log.first(member.id)
      assert.deepEqual(addresses, listensOn(member.node))
    }
    assert.ok(!log.peers.some(({ peerId }) => peerId === late.id))
  })

  test('who comes later is met by those who were there', async () => {
    await using network = new KadNetwork()
    const bootstrap = await network.add()
    const log = new MetLog()
    await network.add(bootstrap, { met: log.met })
    const late = await network.add(bootstrap)
    assert.deepEqual((await log.first(late.id)).addresses, listensOn(late.node))
  })

  test('those that were routable before are told of, and no others', async () => {
    const node = await new ScriptedRouter().node()
    const [member, ipfs, client] = [await newPeerId(), await newPeerId(), await newPeerId()]
    const multiaddrs = [multiaddr(address)]
    await node.peerStore.merge(ipfs, { multiaddrs, protocols: ['/ipfs/kad/1.0.0'], tags: routable })
    await node.peerStore.merge(client, { multiaddrs, protocols: ['/ipfs/id/1.0.0', dhtProtocol] })
    await node.peerStore.merge(member, { multiaddrs, protocols: [dhtProtocol], tags: routable })
    const log = new MetLog()
    const discovery = await dht().create(contextOf(node, { met: log.met }))
    await log.first(member.toString())
    assert.deepEqual(log.peers, [{ peerId: member.toString(), addresses: [address] }])
    await discovery.close()
  })

  test('a peer is told of when it has all of tag, protocol and address, and again when it moves', async () => {
    const node = await new ScriptedRouter().node()
    const log = new MetLog()
    const discovery = await dht().create(contextOf(node, { met: log.met }))
    const id = await newPeerId()
    await node.peerStore.merge(id, { tags: routable })
    await node.peerStore.merge(id, { protocols: [dhtProtocol] })
    assert.deepEqual(log.peers, [])
    await node.peerStore.merge(id, { multiaddrs: [multiaddr(address)] })
    assert.deepEqual(log.peers, [{ peerId: id.toString(), addresses: [address] }])
    const moved = '/ip4/192.0.2.8/tcp/4001'
    await node.peerStore.patch(id, { multiaddrs: [multiaddr(moved)] })
    assert.deepEqual(log.peers.slice(1), [{ peerId: id.toString(), addresses: [moved] }])
    await discovery.close()
    await node.peerStore.patch(id, { multiaddrs: [multiaddr(address)] })
    assert.equal(log.peers.length, 2)
  })

  test('a discovery that was closed at once tells of nobody', async () => {
    const node = await new ScriptedRouter().node()
    await node.peerStore.merge(await newPeerId(), { multiaddrs: [multiaddr(address)], protocols: [dhtProtocol], tags: routable })
    const log = new MetLog()
    const discovery = await dht().create(contextOf(node, { met: log.met }))
    await discovery.close()
    await node.peerStore.all()
    assert.deepEqual(log.peers, [])
  })

  test('on a node of the user with another DHT nobody is met', async () => {
    const [node, other] = [await nodeOfAnotherDht(), await nodeOfAnotherDht()]
    const log = new MetLog()
    const walked = Promise.withResolvers<void>()
    const walking = watchWalks(node, walked.resolve)
    const discovery = await dht().create(contextOf(walking, { met: log.met }))
    const entered = new Promise<void>((resolve) => void onRoutablePeer(node, resolve))
    await node.dial(other.getMultiaddrs())
    await entered
    await walked.promise
    assert.deepEqual(log.peers, [])
    await discovery.close()
    await Promise.all([node.stop(), other.stop()])
  })

  test('the nodes nearest to this one are met by its walk, also when the table has no room for them', async () => {
    const node = await new ScriptedRouter().node()
    const [neighbour, stranger, unknown] = [await newPeerId(), await newPeerId(), await newPeerId()]
    await node.peerStore.merge(neighbour, { multiaddrs: [multiaddr(address)], protocols: [dhtProtocol] })
    await node.peerStore.merge(stranger, { multiaddrs: [multiaddr(address)], protocols: ['/ipfs/kad/1.0.0'] })
    const log = new MetLog()
    const discovery = await dht().create(contextOf(withNeighbours(node, [unknown, stranger, node.peerId, neighbour]), { met: log.met }))
    await node.peerStore.merge(stranger, { tags: routable })
    await log.first(neighbour.toString())
    assert.deepEqual(log.peers, [{ peerId: neighbour.toString(), addresses: [address] }])
    await discovery.close()
  })

  test('a topic that is searched for tells of nobody by itself', async () => {
    const node = await new ScriptedRouter().node()
    const log = new MetLog()
    const discovery = await dht().create(contextOf(node, { met: log.met }))
    for await (const _ of discovery.findPeers(topicOf('an image')));
    assert.deepEqual(log.peers, [])
    await discovery.close()
  })
})

/** Of whom the swarm was told. */
class MetLog {
  readonly peers: KnownPeer[] = []
  readonly #waiting = new Map<string, (peer: KnownPeer) => void>()

  readonly met = (peer: KnownPeer): void => {
    this.peers.push(peer)
    this.#waiting.get(peer.peerId ?? '')?.(peer)
  }

  /** Resolves with what was told first of a peer. */
  first(id: string): Promise<KnownPeer> {
    const { promise, resolve } = Promise.withResolvers<KnownPeer>()
    this.#waiting.set(id, resolve)
    const told = this.peers.find(({ peerId }) => peerId === id)
    if (told) resolve(told)
    return promise
  }
}

function nodeOfAnotherDht(): Promise<Libp2p> {
  const service = kadDHT({ protocol: '/another/kad/1.0.0', peerInfoMapper: passthroughMapper, clientMode: false })
  return createLibp2p({ ...loopback(), services: { identify: identify(), ping: ping(), dht: service } })
}

async function newPeerId(): Promise<Libp2p['peerId']> {
  return peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
}

function listensOn(node: Libp2p): string[] {
  return node.getMultiaddrs().map((each) => each.decapsulate(`/p2p/${node.peerId.toString()}`).toString())
}

/** The node, with peer routing that says when a walk is over. */
function watchWalks(node: Libp2p, over: () => void): Libp2p {
  return withRouting(node, async function* (...asked) {
    yield* node.peerRouting.getClosestPeers(...asked)
    over()
  })
}

/** The node, with peer routing that finds these. */
function withNeighbours(node: Libp2p, ids: readonly Libp2p['peerId'][]): Libp2p {
  return withRouting(node, async function* () {
    for (const id of ids) yield { id, multiaddrs: [multiaddr(address)] }
  })
}

function withRouting(node: Libp2p, getClosestPeers: Libp2p['peerRouting']['getClosestPeers']): Libp2p {
  const peerRouting = Object.create(node.peerRouting, { getClosestPeers: { value: getClosestPeers } })
  return new Proxy(node, {
    get(target, name) {
      if (name === 'peerRouting') return peerRouting
      const value = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
