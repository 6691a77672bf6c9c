import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { seededRandom } from '../../src/core/random.ts'
import { LinkBook } from '../../src/engine/links.ts'
import { fuzzRuns } from '../support/fuzz.ts'

const address = (index: number): string => `/ip4/10.0.0.${index}/tcp/4001`

function book(maxLinks = 64, seed = 1): LinkBook {
  return new LinkBook('self', maxLinks, seededRandom(seed))
}

describe('LinkBook', () => {
  test('ways in which a peer is found are kept in order, each once', () => {
    const links = book()
    for (const way of ['dht', 'mdns', 'dht', 'tracker', 'mdns']) links.found({ peerId: 'a', addresses: [address(1)] }, way)
    links.linked('a', true)
    links.linked('a', true)
    assert.deepEqual(links.get('a')?.foundBy, ['dht', 'mdns', 'tracker', 'inbound'])
  })

  test('of many addresses the newest eight are kept', () => {
    const links = book()
    for (let index = 0; index < 20; index++) links.found({ peerId: 'a', addresses: [address(index)] }, 'dht')
    assert.deepEqual(links.get('a')?.addresses, [19, 18, 17, 16, 15, 14, 13, 12].map(address))
  })

  test('neither this node nor a peer without id and address is remembered', () => {
    const links = book()
    assert.equal(links.found({ peerId: 'self', addresses: [address(1)] }, 'dht'), undefined)
    assert.equal(links.found({ addresses: [] }, 'dht'), undefined)
    assert.equal(links.knownCount, 0)
  })

  test('each failure doubles the wait, up to a minute, and half of it is random', () => {
    const waits = (seed: number): number[] => {
      const links = book(64, seed)
      links.found({ peerId: 'a', addresses: [address(1)] }, 'peers')
      return Array.from({ length: 10 }, () => {
        links.mayDial('a')
        links.dialFailed('a', 1000)
        return (links.get('a')?.retryAtMs ?? 0) - 1000
      })
    }
    const [ones, others] = [waits(1), waits(2)]
    for (const wait of [ones, others]) {
      for (const [failures, waitMs] of wait.entries()) {
        const most = Math.min(60_000, 1000 * 2 ** failures)
        assert.ok(waitMs >= most / 2 && waitMs <= most, `${waitMs} ms after ${failures + 1} failures`)
      }
    }
    assert.notDeepEqual(ones, others)
  })

  test('a peer that failed is not dialled before its time; a link makes up for all failures', () => {
    const links = book()
    links.found({ peerId: 'a', addresses: [address(1)] }, 'peers')
    assert.equal(links.toDial(0).length, 1)
    links.dialFailed('a', 0)
    assert.deepEqual(links.toDial(499), [])
    assert.equal(links.toDial(1000).length, 1)
    links.linked('a', false)
    assert.equal(links.get('a')?.failures, 0)
    assert.deepEqual(links.toDial(100_000), [])
    links.closed('a', 100_000)
    assert.deepEqual(links.toDial(100_499), [])
    assert.equal(links.toDial(101_000).length, 1)
  })

  test('what was known of an address holds for the peer that is met there', () => {
    const links = book()
    links.found({ peerId: 'a', addresses: [address(2)] }, 'dht')
    links.found({ addresses: [address(1)] }, 'peers')
    assert.ok(links.mayDial(address(1)))
    links.linked('a', false)
    links.identified(address(1), 'a')
    const peer = links.get('a')
    assert.deepEqual([peer?.addresses, peer?.foundBy], [[address(1), address(2)], ['dht', 'peers']])
    assert.deepEqual([links.knownCount, links.linkedCount], [1, 1])
  })

  test('an address whose peer is linked is not dialled again', () => {
    const links = book()
    links.found({ addresses: [address(1)] }, 'peers')
    assert.ok(links.mayDial(address(1)))
    links.linked('a', false)
    links.identified(address(1), 'a')
    assert.equal(links.get(address(1))?.linked, true)
    links.found({ addresses: [address(1)] }, 'dns')
    assert.deepEqual([links.knownCount, links.toDial(1e6), links.mayDial(address(1))], [1, [], false])
    assert.deepEqual(links.get('a')?.foundBy, ['peers', 'dns'])
  })

  test('an address whose peer is not reached any more may be another peer', () => {
    const links = book()
    links.found({ addresses: [address(1)] }, 'peers')
    links.linked('a', false)
    links.identified(address(1), 'a')
    links.closed('a', 0)
    links.dialFailed('a', 5000)
    const found = links.found({ addresses: [address(1)] }, 'peers')
    assert.deepEqual([found?.key, found?.peerId], [address(1), undefined])
  })

  test('the longest unused of too many peers are forgotten, those in use are not', () => {
    const links = book()
    links.linked('used', true)
    for (let index = 0; index < 5000; index++) links.found({ peerId: `p${index}`, addresses: [address(1)] }, 'dht')
    assert.equal(links.knownCount, 4096)
    assert.deepEqual(['used', 'p0', 'p4999'].map((key) => links.get(key) !== undefined), [true, false, true])
  })

  test('links and dials together never exceed the limit, whatever happens', () => {
    const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h')
    const act = fc.tuple(fc.constantFrom('found', 'dial', 'round', 'arrive', 'fail', 'close'), key)
    fc.assert(
      fc.property(fc.array(act, { maxLength: 80 }), fc.integer({ min: 1, max: 6 }), fc.nat(1000), (acts, max, seed) => {
        const links = book(max, seed)
        const known = new Set<string>()
        const dialling = new Set<string>()
        const linked = new Set<string>()
        let now = 0
        for (const [what, peerId] of acts) {
          now += 700
          const room = max - linked.size - dialling.size
          if (what === 'found') {
            links.found({ peerId, addresses: [address(1)] }, 'dht')
            known.add(peerId)
          } else if (what === 'dial') {
            const may = known.has(peerId) && !linked.has(peerId) && !dialling.has(peerId) && room > 0
            assert.equal(links.mayDial(peerId), may)
            if (may) dialling.add(peerId)
          } else if (what === 'round') {
            const round = links.toDial(now)
            assert.ok(round.length <= Math.max(0, Math.min(room, 5)))
            for (const { key: chosen } of round) {
              assert.ok(known.has(chosen) && !linked.has(chosen) && !dialling.has(chosen))
              dialling.add(chosen)
            }
          } else if (what === 'arrive' && dialling.delete(peerId)) {
            links.linked(peerId, false)
            linked.add(peerId)
          } else if (what === 'fail' && dialling.delete(peerId)) {
            links.dialFailed(peerId, now)
          } else if (what === 'close' && linked.delete(peerId)) {
            links.closed(peerId, now)
          }
          assert.deepEqual([links.knownCount, links.linkedCount], [known.size, linked.size])
          assert.ok(linked.size + dialling.size <= max)
        }
      }),
      fuzzRuns(300),
    )
  })
})
