import assert from 'node:assert/strict'
import { generateKeyPair, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { ping } from '@libp2p/ping'
import { createLibp2p, type ServiceFactoryMap } from 'libp2p'
import { Secret } from '../../src/core/secret.ts'
import { describe, test } from 'vitest'
import { silentLogger } from '../../src/core/log.ts'
import { dhtProtocol } from '../../src/discovery/dht-service.ts'
import { fakeClock } from '../../src/testing/fake-clock.ts'
import { idsFound, KadNetwork, loopback, loopbackNode, topicOf } from './kad-network.ts'

const topic = topicOf('an image')
const networkKey = new Secret(new Uint8Array(32).fill(7))

describe('dht among real nodes', () => {
  test('a node that only knows a bootstrap node finds who provides, and where they listen', async () => {
    await using network = new KadNetwork()
    const bootstrap = await network.add()
    const providers = [await network.add(bootstrap), await network.add(bootstrap), await network.add(bootstrap)]
    for (const provider of providers) await provider.provide(topic, bootstrap)
    const seeker = await network.add(bootstrap)
    const found = new Map<string, readonly string[]>()
    for await (const { peerId = 'unknown', addresses } of seeker.discovery.findPeers(topic)) found.set(peerId, addresses)
    assert.deepEqual([...found.keys()].toSorted(), providers.map(({ id }) => id).toSorted())
    for (const { id, node } of providers) {
      assert.deepEqual(found.get(id), node.getMultiaddrs().map((address) => address.decapsulate(`/p2p/${id}`).toString()))
    }
  })

  test('a search that follows the first connection at once waits for the routing table', async () => {
    await using network = new KadNetwork()
    const bootstrap = await network.add()
    const provider = await network.add(bootstrap)
    await provider.provide(topic, bootstrap)
    const cold = await network.add()
    await cold.node.dial(bootstrap.node.getMultiaddrs())
    assert.deepEqual(await idsFound(cold.discovery.findPeers(topic)), [provider.id])
  })

  test('a record outlives the node that provided it, also one that was provided before its first connection', async () => {
    await using network = new KadNetwork()
    const bootstrap = await network.add()
    const provided = Promise.withResolvers<void>()
    const logger = { ...silentLogger, debug: (message: string) => message === 'a topic was provided' && provided.resolve() }
    const provider = await network.add(undefined, { logger })
    await provider.discovery.provide(topic)
    await provider.node.dial(bootstrap.node.getMultiaddrs())
    await provided.promise
    await provider.discovery.close()
    await provider.node.stop()
    await bootstrap.knows(provider, topic)
  })

  test('a node without connections finds nobody, at once', async () => {
    await using network = new KadNetwork()
    const { discovery } = await network.add()
    assert.deepEqual(await idsFound(discovery.findPeers(topic)), [])
  })

  test('a search does not wait for a peer that has no DHT', async () => {
    await using network = new KadNetwork()
    // Time stands still: a search that waited would never end.
    const member = await network.add(undefined, { clock: fakeClock() })
    const other = await loopbackNode()
    const identified = new Promise((resolve) => {
      member.node.addEventListener('peer:identify', resolve, { once: true })
    })
    await member.node.dial(other.getMultiaddrs())
    await identified
    assert.deepEqual(await idsFound(member.discovery.findPeers(topic)), [])
    await other.stop()
  })

  test('nodes that make each other\'s acquaintance later know each other by the self-walk', async () => {
    await using network = new KadNetwork()
    const bootstrap = await network.add()
    const first = await network.add(bootstrap)
    const met = Promise.withResolvers<void>()
    first.node.addEventListener('peer:connect', ({ detail }) => {
      if (detail.toString() !== bootstrap.id) met.resolve()
    })
    await network.add(bootstrap)
    await met.promise
  })

  test('the network key hides topics from who does not have it', async () => {
    await using network = new KadNetwork()
    const bootstrap = await network.add()
    const member = await network.add(bootstrap, { networkKey })
    await member.provide(topic, bootstrap)
    const insider = await network.add(bootstrap, { networkKey })
    const crawler = await network.add(bootstrap)
    assert.deepEqual(await idsFound(insider.discovery.findPeers(topic)), [member.id])
    assert.deepEqual(await idsFound(crawler.discovery.findPeers(topic)), [])
  })

  test('the records of others are not kept in the datastore of the node', async () => {
    const store = new DatastoreProbe()
    await using network = new KadNetwork()
    const holder = await network.add(undefined, {}, { probe: store.service })
    const provider = await network.add(holder)
    await provider.provide(topic, holder)
    assert.notEqual(store.keys.length, 0)
    assert.deepEqual(store.keys.filter((key) => key.includes('/provider/')), [])
  })

  test('values that strangers put are not kept', async () => {
    const store = new DatastoreProbe()
    await using network = new KadNetwork()
    const holder = await network.add(undefined, {}, { probe: store.service })
    const stock = kadDHT({ protocol: dhtProtocol, peerInfoMapper: passthroughMapper, initialQuerySelfInterval: 0 })
    const stranger = await createLibp2p({
      ...loopback(),
      services: { identify: identify(), ping: ping(), dht: stock },
    })
    await stranger.dial(holder.node.getMultiaddrs())
    const { publicKey } = await generateKeyPair('Ed25519')
    const key = Buffer.concat([Buffer.from('/pk/'), publicKey.toMultihash().bytes])
    await stranger.contentRouting.put(key, publicKeyToProtobuf(publicKey))
    assert.deepEqual(store.keys.filter((stored) => stored.includes('/record/')), [])
    await stranger.stop()
  })
})

/** Sees what is put into a node's datastore. */
class DatastoreProbe {
  readonly keys: string[] = []

  readonly service: ServiceFactoryMap[string] = ({ datastore }) => {
    const put = datastore.put.bind(datastore)
    datastore.put = (key, value, options) => {
      this.keys.push(key.toString())
      return put(key, value, options)
    }
  }
}
