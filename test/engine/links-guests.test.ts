import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'vitest'
import { seededRandom } from '../../src/core/random.ts'
import { guestsPerLink, LinkBook } from '../../src/engine/links.ts'
import { compareDistance } from '../../src/engine/place.ts'

const target = placeOf('a topic')

describe('LinkBook: guests', () => {
  test('do not count as links: others are dialled and accepted in their place', () => {
    const links = book()
    for (let count = 0; count < 20; count++) links.linked(`guest ${count}`, true, { guest: true })
    assert.deepEqual([links.linkedCount, links.mayAccept()], [0, true])
    for (let count = 0; count < 10; count++) links.found({ peerId: `p${count}`, addresses: ['a'] }, 'tracker')
    assert.equal(links.toDial(0).length, 5)
  })

  test('there is room for three beside each link that may be', () => {
    const links = book(4)
    for (let count = 0; count < 4 * guestsPerLink; count++) {
      assert.equal(links.hasGuestRoom, true, `with ${count}`)
      links.linked(`guest ${count}`, true, { guest: true })
    }
    assert.equal(links.hasGuestRoom, false)
    links.closed('guest 3', 0)
    assert.equal(links.hasGuestRoom, true)
    assert.equal(links.mayAccept(), true)
  })

  test('who tells this node that it is one leaves its place to another', () => {
    const links = book(2)
    for (let count = 0; count < 9; count++) links.found({ peerId: `p${count}`, addresses: ['a'] }, 'tracker')
    const dialled = links.toDial(0).map(({ key }) => key)
    assert.equal(dialled.length, 2)
    for (const key of dialled) links.linked(key, false)
    assert.deepEqual(links.toDial(1000), [])
    links.becameGuest(dialled[0] ?? '')
    assert.equal(links.linkedCount, 1)
    assert.equal(links.toDial(1000).length, 1)
  })

  test('who was one and comes again is none by that', () => {
    const links = book()
    links.linked('a', true, { guest: true })
    links.closed('a', 0)
    links.linked('a', true)
    assert.equal(links.linkedCount, 1)
    links.becameGuest('a')
    links.closed('a', 0)
    links.linked('a', false)
    assert.equal(links.linkedCount, 1)
  })

  test('only who is linked becomes one', () => {
    const links = book()
    links.found({ peerId: 'a', addresses: ['a'] }, 'tracker')
    for (const key of ['a', 'nobody']) links.becameGuest(key)
    assert.equal(links.toDial(0).length, 1)
    links.linked('a', false)
    assert.equal(links.linkedCount, 1)
  })
})

describe('LinkBook: ranks', () => {
  test('are the nearest, supernodes first, whether or not they are linked', () => {
    const links = book()
    const keys = Array.from({ length: 50 }, (_, index) => `p${index}`)
    for (const peerId of keys) links.found({ peerId, addresses: ['a'] }, 'tracker')
    for (const peerId of keys.slice(0, 20)) links.linked(peerId, true)
    links.found({ peerId: 's', addresses: ['a'], supernode: true }, 'tracker')
    assert.deepEqual(ranks(links, 9), ['s', ...byDistance(keys)].slice(0, 9))
  })

  test('include who could not be reached once or twice: a crowd is turned away by its tracker all the same', () => {
    const links = book()
    const keys = ['a', 'b', 'c', 'd']
    for (const peerId of keys) links.found({ peerId, addresses: ['a'] }, 'tracker')
    for (const times of [1, 2]) {
      assert.ok(links.mayDial('a'))
      links.dialFailed('a', 0)
      assert.deepEqual(ranks(links, 9), byDistance(keys), `after ${times}`)
    }
    assert.ok(!links.nearest(target, 9, 0).some(({ key }) => key === 'a'), 'a walk passes it over')
    links.mayDial('a')
    links.dialFailed('a', 0)
    assert.deepEqual(ranks(links, 9), byDistance(['b', 'c', 'd']), 'it is not there')
    links.linked('a', true)
    assert.deepEqual(ranks(links, 9), byDistance(keys))
  })

  test('include who closed its link a moment ago', () => {
    const links = book()
    links.found({ peerId: 'a', addresses: ['a'] }, 'tracker')
    links.linked('a', false)
    links.closed('a', 0)
    assert.deepEqual([ranks(links, 9), links.nearest(target, 9, 0)], [['a'], []])
  })

  test('are not those that nobody can be sent to', () => {
    const links = book()
    links.linked('a', true)
    links.closed('a', 0)
    links.found({ peerId: 'b', addresses: [] }, 'dht')
    assert.deepEqual(ranks(links, 9), [])
  })
})

function book(maxLinks = 64): LinkBook {
  return new LinkBook('self', maxLinks, seededRandom(1), { placeOf })
}

function ranks(links: LinkBook, count: number): string[] {
  return links.ranks(target, count).map(({ key }) => key)
}

function byDistance(keys: readonly string[]): string[] {
  return keys.toSorted((a, b) => compareDistance(placeOf(a), placeOf(b), target))
}

function placeOf(peerId: string): Uint8Array {
  return createHash('sha256').update(peerId).digest()
}
