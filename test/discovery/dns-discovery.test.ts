import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { dns } from '../../src/discovery/dns-discovery.ts'
import type { KnownPeer } from '../../src/discovery/discovery.ts'
import { contextOf, loopbackNode, topicOf } from './kad-network.ts'
import { LinkLog } from './link-log.ts'

const topic = topicOf('an image')

async function addressesFound(from: AsyncIterable<KnownPeer>): Promise<string[]> {
  const all: string[] = []
  for await (const { addresses } of from) all.push(...addresses)
  return all.toSorted()
}

/** A resolver whose answer can be changed. */
function zone(...records: string[]): { records: string[]; asked: string[]; resolve: (host: string) => Promise<string[]> } {
  const own = {
    records,
    asked: [] as string[],
    resolve: async (host: string) => {
      own.asked.push(host)
      return own.records
    },
  }
  return own
}

describe('dns', () => {
  test('what is no host and port is refused', () => {
    for (const text of ['', 'host', 'host:', ':4001', 'host:0', 'host:65536', 'a b:1', '/ip4/192.0.2.1/tcp/1', 'http://host:1', 'host:1x']) {
      assert.throws(() => dns(text), { code: 'ERR_REQUEST_OPTION' }, text)
    }
    assert.throws(() => dns('host:1', { intervalMs: 0 }), { code: 'ERR_REQUEST_OPTION' })
  })

  test('a link to each address is asked for, IPv4 and IPv6, and all are found for every topic', async () => {
    const log = await LinkLog.open()
    const { resolve, asked } = zone('192.0.2.1', '2001:DB8::1', 'fe80::1%eth0', 'not an address')
    const discovery = await dns('damselfly.example.svc:4001', { resolve }).create(log.context)
    const expected = ['/ip4/192.0.2.1/tcp/4001', '/ip6/2001:db8::1/tcp/4001', '/ip6/fe80::1/tcp/4001']
    assert.deepEqual(await addressesFound(discovery.findPeers(topic)), expected)
    assert.deepEqual(asked, ['damselfly.example.svc'])
    assert.deepEqual(log.take().toSorted(), expected)
    await discovery.close()
  })

  test('the name is resolved every 30 seconds: who came is linked, who left is let go', async () => {
    const log = await LinkLog.open()
    log.onConnect = async () => true
    const own = zone('192.0.2.1', '192.0.2.2')
    const discovery = await dns('host:1', { resolve: own.resolve }).create(log.context)
    await log.clock.advanceAsync(0)
    assert.equal(log.take().length, 2)
    own.records = ['192.0.2.2', '192.0.2.3']
    await log.clock.advanceAsync(30_000)
    assert.equal(own.asked.length, 2)
    assert.deepEqual(log.take(), ['/ip4/192.0.2.3/tcp/1'])
    assert.deepEqual(await addressesFound(discovery.findPeers(topic)), ['/ip4/192.0.2.2/tcp/1', '/ip4/192.0.2.3/tcp/1'])
    await log.clock.advanceAsync(120_000)
    assert.equal(log.take().includes('/ip4/192.0.2.1/tcp/1'), false)
    await discovery.close()
    assert.equal(log.clock.timerCount, 0)
  })

  test('when resolving fails or hangs, who was known stays known, and it is tried again soon', async () => {
    for (const failure of [() => Promise.reject(new RangeError('no')), () => new Promise<never>(() => {})]) {
      const log = await LinkLog.open()
      const own = zone('192.0.2.1')
      let resolve = (host: string): Promise<string[]> => own.resolve(host)
      const discovery = await dns('host:1', { resolve: (host) => resolve(host) }).create(log.context)
      await log.clock.advanceAsync(0)
      resolve = failure
      await log.clock.advanceAsync(30_000)
      assert.deepEqual(await addressesFound(discovery.findPeers(topic)), ['/ip4/192.0.2.1/tcp/1'])
      own.records = ['192.0.2.9']
      resolve = own.resolve
      await log.clock.advanceAsync(6000)
      assert.deepEqual(await addressesFound(discovery.findPeers(topic)), ['/ip4/192.0.2.9/tcp/1'])
      await discovery.close()
      assert.equal(log.clock.timerCount, 0)
    }
  })

  test('a search waits for the first answer, and ends when there is none', async () => {
    const log = await LinkLog.open()
    const discovery = await dns('host:1', { resolve: () => new Promise(() => {}) }).create(log.context)
    const searching = addressesFound(discovery.findPeers(topic))
    await log.clock.advanceAsync(5000)
    assert.deepEqual(await searching, [])
    await discovery.close()
  })

  test('of more than 64 addresses 64 are kept, not the same on every node, and they stay', async () => {
    const records = Array.from({ length: 200 }, (_, index) => `192.0.2.${index}`)
    const chosen: string[][] = []
    for (const seed of [1, 2]) {
      const log = await LinkLog.open(seed)
      const discovery = await dns('host:1', zone(...records)).create(log.context)
      const first = await addressesFound(discovery.findPeers(topic))
      assert.equal(first.length, 64)
      await log.clock.advanceAsync(30_000)
      assert.deepEqual(await addressesFound(discovery.findPeers(topic)), first)
      chosen.push(first)
      await discovery.close()
    }
    assert.notDeepEqual(chosen[0], chosen[1])
  })

  test('the node leaves its own address out', async () => {
    const node = await loopbackNode()
    const port = node.getMultiaddrs()[0]?.getComponents().find(({ name }) => name === 'tcp')?.value
    const asked: string[] = []
    const connect = async ({ addresses }: KnownPeer): Promise<boolean> => asked.push(...addresses) > 0
    const discovery = await dns(`host:${port}`, zone('127.0.0.1', '192.0.2.1')).create(contextOf(node, { connect }))
    const other = `/ip4/192.0.2.1/tcp/${port}`
    assert.deepEqual(await addressesFound(discovery.findPeers(topic)), [other])
    assert.deepEqual(asked, [other])
    await discovery.close()
    await node.stop()
  })

  test('names are resolved by the system unless told otherwise', async () => {
    const log = await LinkLog.open()
    const discovery = await dns('localhost:4001').create(log.context)
    const found = await addressesFound(discovery.findPeers(topic))
    assert.ok(found.includes('/ip4/127.0.0.1/tcp/4001') || found.includes('/ip6/::1/tcp/4001'), found.join(' '))
    await discovery.close()
  })
})
