import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'vitest'
import { seededRandom } from '../../src/core/random.ts'
import { LinkBook } from '../../src/engine/links.ts'
import { compareDistance, estimateCount } from '../../src/engine/place.ts'

const target = placeOf('a topic')

describe('LinkBook: peers that were only met', () => {
  test('they have their ranks among those that were found', () => {
    const links = book()
    const keys = meet(links, 30)
    links.found({ peerId: 'found', addresses: ['a'] }, 'tracker')
    const sorted = [...keys, 'found'].toSorted((a, b) => compareDistance(placeOf(a), placeOf(b), target))
    assert.deepEqual(namesOf(links.nearest(target, 8)), sorted.slice(0, 8))
    assert.deepEqual(namesOf(links.ranks(target, 31)), sorted)
  })

  test('they count when the number of nodes is judged', () => {
    const links = book()
    const keys = meet(links, 100)
    assert.equal(links.knownCount, 100)
    assert.equal(links.estimateNodeCount(), estimateCount(keys.map(placeOf), placeOf('self')))
  })

  test('they are not dialled for what is being loaded, but may be dialled by name', () => {
    const links = book()
    meet(links, 10)
    assert.deepEqual(links.toDial(0), [])
    assert.ok(links.mayDial('p3'))
    links.linked('p3', false)
    assert.deepEqual(links.get('p3')?.foundBy, ['met'])
    links.closed('p3', 0)
    assert.deepEqual(links.toDial(60_000), [])
  })

  test('they are dialled as soon as they are found', () => {
    const links = book()
    meet(links, 10)
    links.found({ peerId: 'p7', addresses: ['b'] }, 'dht')
    const dialled = links.toDial(0)
    assert.deepEqual(namesOf(dialled), ['p7'])
    assert.deepEqual([dialled[0]?.addresses, dialled[0]?.foundBy], [['b', 'a'], ['met', 'dht']])
  })

  test('who was found stays so when it is met, and its new address comes first', () => {
    const links = book()
    links.found({ peerId: 'p0', addresses: ['old'], supernode: true }, 'peers')
    links.met({ peerId: 'p0', addresses: ['new'] })
    assert.deepEqual([links.get('p0')?.addresses, links.get('p0')?.foundBy], [['new', 'old'], ['peers']])
    assert.deepEqual(namesOf(links.toDial(0)), ['p0'])
  })

  test('who cannot be reached waits, and after three times in a row has no rank', () => {
    const links = book()
    links.met({ peerId: 'gone', addresses: ['a'] })
    for (const now of [0, 10_000, 20_000]) {
      assert.deepEqual(namesOf(links.nearest(target, 1, now)), ['gone'])
      assert.deepEqual(namesOf(links.ranks(target, 1)), ['gone'])
      assert.ok(links.mayDial('gone'))
      links.dialFailed('gone', now)
      assert.deepEqual(namesOf(links.nearest(target, 1, now)), [])
    }
    assert.deepEqual(namesOf(links.ranks(target, 1)), [])
    assert.deepEqual(links.toDial(1_000_000), [])
  })

  test('nobody is met without a name or an address, and nobody meets itself', () => {
    const links = book()
    links.met({ addresses: ['a'] })
    links.met({ peerId: 'p', addresses: [] })
    links.met({ peerId: 'self', addresses: ['a'] })
    assert.equal(links.knownCount, 0)
  })

  test('however many are met, nobody who was found is forgotten; of the met the oldest are', () => {
    const links = book()
    for (let index = 0; index < 4096; index++) links.found({ peerId: `f${index}`, addresses: ['a'] }, 'dht')
    meet(links, 5000)
    for (let index = 0; index < 4096; index++) assert.ok(links.get(`f${index}`))
    assert.equal(links.knownCount, 4096 + 2048)
    assert.deepEqual([links.get('p2951'), links.get('p2952')?.key], [undefined, 'p2952'])
    links.found({ peerId: 'p4999', addresses: ['a'] }, 'dht')
    assert.deepEqual([links.get('f0'), links.knownCount], [undefined, 4096 + 2047])
  })

  test('one that is linked is not forgotten for others that are met', () => {
    const links = book()
    meet(links, 1)
    links.mayDial('p0')
    links.linked('p0', false)
    meet(links, 5000)
    assert.ok(links.get('p0')?.linked)
    assert.equal(links.linkedCount, 1)
  })
})

function book(): LinkBook {
  return new LinkBook('self', 64, seededRandom(1), { placeOf })
}

function meet(links: LinkBook, count: number): string[] {
  const keys = Array.from({ length: count }, (_, index) => `p${index}`)
  for (const peerId of keys) links.met({ peerId, addresses: ['a'] })
  return keys
}

function namesOf(peers: readonly { readonly key: string }[]): string[] {
  return peers.map(({ key }) => key)
}

function placeOf(peerId: string): Uint8Array {
  return createHash('sha256').update(peerId).digest()
}
