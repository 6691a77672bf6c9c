import assert from 'node:assert/strict'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import type { Libp2p } from 'libp2p'
import { describe, test } from 'vitest'
import { dht } from '../../src/discovery/dht-discovery.ts'
import type { Discovery } from '../../src/discovery/discovery.ts'
import { topicKey } from '../../src/discovery/topic-key.ts'
import { fakeClock, type FakeClock } from '../../src/testing/fake-clock.ts'
import { contextOf, idsFound, topicOf } from './kad-network.ts'
import { ScriptedRouter } from './scripted-router.ts'
import { failingStream } from './streams.ts'

type PeerId = Libp2p['peerId']

const topic = topicOf('an image')
const minuteMs = 60_000

interface Opened {
  readonly router: ScriptedRouter
  readonly clock: FakeClock
  readonly node: Libp2p
  readonly self: PeerId
  readonly discovery: Discovery
}

async function open(): Promise<Opened> {
  const router = new ScriptedRouter()
  const clock = fakeClock()
  const node = await router.node()
  const discovery = await dht().create(contextOf(node, { clock }))
  return { router, clock, node, self: node.peerId, discovery }
}

describe('dht over time', () => {
  test('a topic is provided at once, and again every 20 to 22 minutes', async () => {
    const { router, clock, discovery } = await open()
    await discovery.provide(topic)
    await clock.advanceAsync(0)
    assert.deepEqual(router.provided, [topicKey(topic).toString()])
    await clock.advanceAsync(19 * minuteMs)
    assert.equal(router.provided.length, 1)
    await clock.advanceAsync(200 * minuteMs)
    assert.ok(router.provided.length >= 10 && router.provided.length <= 12, `${router.provided.length} times`)
    await discovery.close()
    assert.equal(clock.timerCount, 0)
  })

  test('providing again does not provide more often', async () => {
    const { router, clock, discovery } = await open()
    for (let count = 0; count < 5; count++) await discovery.provide(topic)
    await clock.advanceAsync(minuteMs)
    assert.equal(router.provided.length, 1)
    await discovery.close()
  })

  test('what fails, hangs, or is taken by nobody is provided again soon', async () => {
    const failures = [() => Promise.reject(new RangeError('no')), async () => {}, () => new Promise<never>(() => {})]
    for (const onProvide of failures) {
      const { router, clock, discovery } = await open()
      router.onProvide = onProvide
      await discovery.provide(topic)
      await clock.advanceAsync(31_000)
      assert.ok(router.provided.length >= 2)
      router.onProvide = async (take) => take()
      await clock.advanceAsync(10 * minuteMs)
      const count = router.provided.length
      await clock.advanceAsync(5 * minuteMs)
      assert.equal(router.provided.length, count)
      await discovery.close()
      assert.equal(clock.timerCount, 0)
    }
  })

  test('a walk that some nodes answered and others never did has provided', async () => {
    const { router, clock, discovery } = await open()
    router.onProvide = (take) => {
      take()
      return new Promise(() => {})
    }
    await discovery.provide(topic)
    await clock.advanceAsync(10 * minuteMs)
    assert.equal(router.provided.length, 1)
    await discovery.close()
  })

  test('what nobody took is provided again as soon as the DHT has a node', async () => {
    const { router, clock, discovery, node, self } = await open()
    router.onProvide = async () => {}
    await discovery.provide(topic)
    await clock.advanceAsync(0)
    assert.equal(router.provided.length, 1)
    await node.peerStore.merge(await newPeerId(), { tags: { 'kad-peer': { value: 1 } } })
    await clock.advanceAsync(0)
    assert.equal(router.provided.length, 2)
    await discovery.close()
    await node.peerStore.merge(self, { tags: { 'kad-peer': { value: 1 } } })
    await clock.advanceAsync(0)
    assert.equal(router.provided.length, 2)
  })

  test('a withdrawn topic is not provided any more, and the node forgets its own record', async () => {
    const { router, clock, discovery } = await open()
    await discovery.provide(topic)
    await clock.advanceAsync(0)
    await discovery.withdraw(topic)
    assert.deepEqual(router.cancelled, [topicKey(topic).toString()])
    await clock.advanceAsync(100 * minuteMs)
    assert.equal(router.provided.length, 1)
    await discovery.close()
    assert.equal(clock.timerCount, 0)
  })

  test('walks are made four at once', async () => {
    const { router, clock, discovery } = await open()
    let running = 0
    let most = 0
    router.onProvide = async (take) => {
      most = Math.max(most, ++running)
      await new Promise(setImmediate)
      running--
      take()
    }
    for (let index = 0; index < 20; index++) await discovery.provide(topicOf(`image ${index}`))
    for (let turn = 0; turn < 20; turn++) await clock.advanceAsync(0)
    assert.equal(router.provided.length, 20)
    assert.equal(most, 4)
    await discovery.close()
  })

  test('the 256 topics that were provided last are kept; all are forgotten in the end', async () => {
    const { router, clock, discovery } = await open()
    const topics = Array.from({ length: 260 }, (_, index) => topicOf(`image ${index}`))
    const keys = topics.map((it) => topicKey(it).toString())
    const kept = new Set([...keys.slice(0, 1), ...keys.slice(5)])
    for (const it of topics.slice(0, 256)) await discovery.provide(it)
    await discovery.provide(topics[0] ?? topic)
    for (const it of topics.slice(256)) await discovery.provide(it)
    assert.deepEqual(router.cancelled, keys.slice(1, 5))
    for (let turn = 0; turn < 100; turn++) await clock.advanceAsync(0)
    router.provided.length = 0
    await clock.advanceAsync(22 * minuteMs)
    for (let turn = 0; turn < 100; turn++) await clock.advanceAsync(0)
    assert.deepEqual(new Set(router.provided), kept)
    await discovery.close()
    assert.deepEqual(new Set(router.cancelled.slice(4)), kept)
    assert.equal(clock.timerCount, 0)
  })

  test('a search that hangs ends after five seconds with what it found', async () => {
    const { router, clock, discovery } = await open()
    const id = await newPeerId()
    router.onSearch = async function* () {
      yield { id, multiaddrs: [multiaddr('/ip4/192.0.2.7/tcp/4001')], routing: 'script' }
      await new Promise(() => {})
    }
    let ended = false
    const found = idsFound(discovery.findPeers(topic)).finally(() => (ended = true))
    await clock.advanceAsync(4999)
    assert.equal(ended, false)
    await clock.advanceAsync(1)
    assert.deepEqual(await found, [id.toString()])
    await discovery.close()
    assert.equal(clock.timerCount, 0)
  })

  test('a search that fails finds nobody', async () => {
    const { router, discovery } = await open()
    router.onSearch = failingStream
    assert.deepEqual(await idsFound(discovery.findPeers(topic)), [])
    await discovery.close()
  })

  test('of a flood of hints 64 peers are taken, each once, with eight addresses; never the node itself', async () => {
    const { router, discovery, self } = await open()
    const ids = await Promise.all(Array.from({ length: 70 }, newPeerId))
    const withoutAddress = await newPeerId()
    router.onSearch = async function* () {
      yield { id: withoutAddress, multiaddrs: [], routing: 'script' }
      yield { id: self, multiaddrs: [multiaddr('/ip4/192.0.2.7/tcp/4001')], routing: 'script' }
      for (const id of ids) {
        const multiaddrs = Array.from({ length: 20 }, (_, index) => multiaddr(`/ip4/192.0.2.${index}/tcp/4001`))
        yield { id, multiaddrs, routing: 'script' }
        yield { id, multiaddrs, routing: 'script' }
      }
    }
    const found = []
    for await (const peer of discovery.findPeers(topic)) found.push(peer)
    assert.deepEqual(found.map(({ peerId }) => peerId), ids.slice(0, 64).map(String))
    for (const { addresses } of found) assert.equal(addresses.length, 8)
    await discovery.close()
  })
})

async function newPeerId(): Promise<PeerId> {
  return peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
}
