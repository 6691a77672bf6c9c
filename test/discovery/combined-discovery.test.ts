import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { RequestError } from '../../src/core/errors.ts'
import { silentLogger } from '../../src/core/log.ts'
import { CombinedDiscovery, type FoundPeer } from '../../src/discovery/combined-discovery.ts'
import type { Discovery, DiscoveryPlugin, KnownPeer } from '../../src/discovery/discovery.ts'
import { topicOf } from './kad-network.ts'
import { LinkLog } from './link-log.ts'
import { stuckStream } from './streams.ts'

const topic = topicOf('an image')

/** A discovery that finds what it is told to. */
function finding(name: string, peers: readonly KnownPeer[], changes: Partial<Discovery> = {}): Discovery {
  return {
    name,
    provide: async () => {},
    withdraw: async () => {},
    async *findPeers() {
      yield* peers
    },
    close: async () => {},
    ...changes,
  }
}

function peer(id: string, ...addresses: string[]): KnownPeer {
  return { peerId: id, addresses }
}

async function all(from: AsyncIterable<FoundPeer>): Promise<FoundPeer[]> {
  const found: FoundPeer[] = []
  for await (const it of from) found.push(it)
  return found
}

const failing: Partial<Discovery> = {
  provide: () => Promise.reject(new RangeError('no')),
  withdraw: () => Promise.reject(new RangeError('no')),
  async *findPeers() {
    yield peer('before the failure')
    throw new RangeError('no')
  },
  close: () => Promise.reject(new RangeError('no')),
}

describe('CombinedDiscovery', () => {
  test('a peer comes once for each discovery that finds it, and never twice by one', async () => {
    const ids = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(fc.array(ids, { maxLength: 4 }), async (lists) => {
        const discoveries = lists.map((list, index) => finding(`way-${index}`, list.map((id) => peer(id, `/at/${id}`))))
        const found = await all(new CombinedDiscovery(discoveries, silentLogger).findPeers(topic))
        const expected = lists.flatMap((list, index) => [...new Set(list)].map((id) => `${id} by way-${index}`))
        assert.deepEqual(found.map(({ peerId, foundBy }) => `${peerId} by ${foundBy}`).toSorted(), expected.toSorted())
        for (const { peerId, addresses } of found) assert.deepEqual(addresses, [`/at/${peerId}`])
      }),
      { seed: 11, numRuns: 200 },
    )
  })

  test('what is found comes at once, whoever else still searches', async () => {
    const slow = finding('slow', [], { findPeers: stuckStream })
    const found = new CombinedDiscovery([slow, finding('quick', [peer('a')])], silentLogger).findPeers(topic)
    assert.deepEqual((await found.next()).value, { ...peer('a'), foundBy: 'quick' })
    await found.return()
  })

  test('leaving the loop, or aborting it, ends the searches', async () => {
    const ended: string[] = []
    const endless = (name: string): Discovery =>
      finding(name, [], {
        async *findPeers(_topic, { signal } = {}) {
          try {
            yield peer(name)
            await new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve()))
          } finally {
            ended.push(name)
          }
        },
      })
    const combined = new CombinedDiscovery([endless('a'), endless('b')], silentLogger)
    for await (const _ of combined.findPeers(topic)) break
    await new Promise(setImmediate)
    assert.deepEqual(ended.toSorted(), ['a', 'b'])

    const reason = new RangeError('enough')
    const controller = new AbortController()
    const searching = all(combined.findPeers(topic, { signal: controller.signal }))
    await new Promise(setImmediate)
    controller.abort(reason)
    await assert.rejects(searching, reason)
    await new Promise(setImmediate)
    assert.equal(ended.length, 4)
  })

  test('one that fails at everything does not hurt the others', async () => {
    const told: string[] = []
    const good = finding('good', [peer('a')], {
      provide: async () => void told.push('provide'),
      withdraw: async () => void told.push('withdraw'),
      close: async () => void told.push('close'),
    })
    const combined = new CombinedDiscovery([finding('bad', [], failing), good], silentLogger)
    await combined.provide(topic)
    await combined.withdraw(topic)
    const found = await all(combined.findPeers(topic))
    await combined.close()
    assert.deepEqual(told, ['provide', 'withdraw', 'close'])
    assert.deepEqual(found.map(({ foundBy }) => foundBy).toSorted(), ['bad', 'good'])
  })

  test('a plugin that cannot be made is left out', async () => {
    const { context } = await LinkLog.open()
    const broken: DiscoveryPlugin = { name: 'broken', create: () => Promise.reject(new RangeError('no')) }
    const sound: DiscoveryPlugin = { name: 'sound', create: () => finding('sound', [peer('a')]) }
    const combined = await CombinedDiscovery.create([broken, sound], context)
    assert.deepEqual((await all(combined.findPeers(topic))).map(({ foundBy }) => foundBy), ['sound'])
    await combined.close()
  })

  test('a wrong option is the caller\'s to hear of, and closes what was made', async () => {
    const { context } = await LinkLog.open()
    let closed = false
    const sound: DiscoveryPlugin = {
      name: 'sound',
      create: () => finding('sound', [], { close: async () => void (closed = true) }),
    }
    const wrong: DiscoveryPlugin = {
      name: 'wrong',
      create: () => Promise.reject(new RequestError('ERR_REQUEST_OPTION', 'write it otherwise')),
    }
    await assert.rejects(CombinedDiscovery.create([sound, wrong], context), { code: 'ERR_REQUEST_OPTION' })
    assert.equal(closed, true)
  })
})
