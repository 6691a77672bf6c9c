import assert from 'node:assert/strict'
import { Secret } from '../../src/core/secret.ts'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { describe, test } from 'vitest'
import type { Discovery, KnownPeer } from '../../src/discovery/discovery.ts'
import { mdns } from '../../src/discovery/mdns-discovery.ts'
import { fakeClock, type FakeClock } from '../../src/testing/fake-clock.ts'
import { contextOf, idsFound, loopbackNode, topicOf } from './kad-network.ts'
import { freeUdpPort, noMulticastBecause } from './multicast.ts'

const topic = topicOf('an image')
const reason = await noMulticastBecause()
if (reason !== undefined) console.info(`mDNS is not tested between nodes: no multicast here (${reason})`)

/** A node on loopback with mDNS. */
class MdnsMember implements AsyncDisposable {
  readonly asked = new Map<string | undefined, { peer: KnownPeer; foundBy: string }>()
  readonly clock: FakeClock = fakeClock()
  readonly #waiting = new Map<string, () => void>()
  #close = async (): Promise<void> => {}
  id = ''

  async open(port: number, networkKey?: Uint8Array): Promise<Discovery> {
    const node = await loopbackNode()
    const connect = async (peer: KnownPeer, foundBy: string): Promise<boolean> => {
      this.asked.set(peer.peerId, { peer, foundBy })
      this.#waiting.get(peer.peerId ?? '')?.()
      return true
    }
    const context = contextOf(node, { clock: this.clock, connect, networkKey: networkKey && new Secret(networkKey) })
    const discovery = await mdns({ port, intervalMs: 100 }).create(context)
    this.id = node.peerId.toString()
    this.#close = async () => {
      await discovery.close()
      assert.equal(this.clock.timerCount, 0)
      await node.stop()
    }
    return discovery
  }

  askedFor(id: string): Promise<void> {
    if (this.asked.has(id)) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.set(id, resolve))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close()
  }
}

describe('mdns', () => {
  test('options out of range are refused', () => {
    assert.throws(() => mdns({ intervalMs: 0 }), { code: 'ERR_REQUEST_OPTION' })
    assert.throws(() => mdns({ port: -1 }), { code: 'ERR_REQUEST_OPTION' })
  })

  test('where the port cannot be had nobody is found, and nothing fails', async () => {
    const taken = createSocket('udp4').bind(0)
    await once(taken, 'listening')
    await using member = new MdnsMember()
    const discovery = await member.open(taken.address().port)
    await discovery.provide(topic)
    assert.deepEqual(await idsFound(discovery.findPeers(topic)), [])
    await new Promise<void>((resolve) => taken.close(() => resolve()))
  })

  if (reason !== undefined) return

  test('nodes of one local network find each other, those of another network key do not', async () => {
    const port = await freeUdpPort()
    await using stranger = new MdnsMember()
    await using one = new MdnsMember()
    await using two = new MdnsMember()
    await stranger.open(port, new Uint8Array(32).fill(1))
    const discovery = await one.open(port)
    await two.open(port)
    await Promise.all([one.askedFor(two.id), two.askedFor(one.id)])
    assert.deepEqual(await idsFound(discovery.findPeers(topic)), [two.id])
    assert.equal(one.asked.get(two.id)?.foundBy, 'mdns')
    assert.match(one.asked.get(two.id)?.peer.addresses[0] ?? '', /^\/ip4\/127\.0\.0\.1\/tcp\/\d+$/)
    assert.deepEqual([...stranger.asked.keys()], [])
  })

  test('a node that is not heard of for two minutes is let go', async () => {
    const port = await freeUdpPort()
    await using one = new MdnsMember()
    const discovery = await one.open(port)
    {
      await using two = new MdnsMember()
      await two.open(port)
      await one.askedFor(two.id)
    }
    one.clock.advance(119_000)
    assert.equal((await idsFound(discovery.findPeers(topic))).length, 1)
    one.clock.advance(1000)
    assert.deepEqual(await idsFound(discovery.findPeers(topic)), [])
  })
})
