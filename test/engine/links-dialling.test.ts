import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { seededRandom } from '../../src/core/random.ts'
import { LinkBook, type LinkBookOptions } from '../../src/engine/links.ts'
import type { Location } from '../../src/wire/messages.ts'

const here = where('eu/a/1')

describe('LinkBook: how many are dialled', () => {
  test('five are dialled, and five more after half a second when that came to fewer than eight links', () => {
    const links = book()
    know(links, 50, here)
    const first = links.toDial(0)
    assert.equal(first.length, 5)
    assert.deepEqual([links.diallingCount, links.toDial(499).length], [5, 0])
    for (const { key } of first) links.linked(key, false)
    assert.equal(links.toDial(500).length, 5)
    assert.deepEqual([links.linkedCount, links.diallingCount, links.toDial(5000).length], [5, 5, 0])
  })

  test('who has eight links by then dials no more', () => {
    const links = book()
    know(links, 50, here)
    for (const { key } of links.toDial(0)) links.linked(key, false)
    for (const guest of ['x', 'y', 'z']) links.linked(guest, true)
    assert.deepEqual(links.toDial(10_000), [])
    links.closed('x', 10_000)
    assert.equal(links.toDial(10_000).length, 3)
  })

  test('peers found one by one are dialled as they are found, five in all', () => {
    const links = book()
    const dialled = Array.from({ length: 8 }, (_, index) => {
      links.found({ peerId: `p${index}`, addresses: ['a'], location: here }, 'dht')
      return links.toDial(10 * index).length
    })
    assert.deepEqual(dialled, [1, 1, 1, 1, 1, 0, 0, 0])
  })

  test('up to fifteen that load are accepted; a supernode, and who links to one, up to the limit', () => {
    const [links, central] = [book(20), book(20, { supernode: true })]
    for (let count = 0; count < 20; count++) {
      assert.equal(links.mayAccept(), count < 15, `with ${count} links`)
      assert.equal(links.mayAccept({ supernode: true }), true)
      assert.equal(central.mayAccept(), true)
      for (const each of [links, central]) each.linked(`p${count}`, true)
    }
    assert.deepEqual([links, central].map((each) => each.mayAccept({ supernode: true })), [false, false])
  })

  test('links that rest leave room for those that load', () => {
    const links = book()
    for (let count = 0; count < 30; count++) links.linked(`p${count}`, true)
    assert.deepEqual([links.mayAccept({}, 14), links.mayAccept({}, 15)], [true, false])
  })
})

describe('LinkBook: who is dialled', () => {
  test('the same rack comes before the same zone, that before the region, and an unknown place counts as the region', () => {
    for (const [nearer, farther] of [['eu/a/1', 'eu/a/2'], ['eu/a/2', 'eu/b/1'], ['eu/a/2', '//'], ['//', 'us/a/1']]) {
      for (let seed = 0; seed < 20; seed++) {
        const links = book(64, {}, seed)
        know(links, 20, where(farther ?? ''), 'farther')
        know(links, 20, where(nearer ?? ''), 'nearer')
        const near = links.toDial(0).filter(({ key }) => key.startsWith('nearer')).length
        assert.ok(near >= 3, `${near} of five in ${nearer}, others in ${farther}`)
      }
    }
  })

  test('a third of the dials goes to any known peer, at least one of five', () => {
    let others = 0
    for (let seed = 0; seed < 300; seed++) {
      const links = book(64, {}, seed)
      know(links, 30, where('eu/a/1'), 'rack')
      know(links, 970, where('eu/b/1'), 'zone')
      const rounds = [links.toDial(0), links.toDial(500)].map((round) => round.filter(({ key }) => key.startsWith('zone')).length)
      others += (rounds[0] ?? 0) + (rounds[1] ?? 0)
    }
    // Three of ten dials, 97 in a hundred of which leave the rack.
    assert.ok(others > 300 * 2.8 && others <= 300 * 3, `${others} of 3000`)
  })

  test('among equally near peers chance decides, and the same seed decides alike', () => {
    const first = (seed: number): string | undefined => {
      const links = book(64, {}, seed)
      know(links, 20, here)
      return links.toDial(0)[0]?.key
    }
    const firsts = Array.from({ length: 200 }, (_, seed) => first(seed))
    assert.ok(new Set(firsts).size >= 18)
    assert.deepEqual(Array.from({ length: 200 }, (_, seed) => first(seed)), firsts)
  })

  test('of all dials at most two go to other regions, however many are known there', () => {
    for (let seed = 0; seed < 100; seed++) {
      const links = book(64, {}, seed)
      know(links, 6, here, 'near')
      know(links, 500, where('us/a/1'), 'far')
      const dialled = [0, 500, 1000].flatMap((now) => {
        const round = links.toDial(now)
        for (const { key, location } of round) links.linked(key, false, { location })
        return round
      })
      const far = dialled.filter(({ location }) => location.region === 'us').length
      assert.ok(far >= 1 && far <= 2, `${far} far`)
      assert.equal(dialled.length - far, 6)
    }
  })

  test('a far link is dialled when there is none, even beyond ten links; one in either direction is enough', () => {
    const links = book()
    for (let index = 0; index < 12; index++) links.linked(`n${index}`, true, { location: here })
    know(links, 20, where('us/a/1'), 'far')
    const keys = links.toDial(0).map(({ key }) => key)
    assert.equal(keys.length, 1)
    assert.deepEqual(links.toDial(1), [])
    links.dialFailed(keys[0] ?? '', 1)
    assert.deepEqual([links.toDial(499).length, links.toDial(500).length], [0, 1])
    const dialled = book()
    for (let index = 0; index < 12; index++) dialled.linked(`n${index}`, true, { location: here })
    dialled.linked('from afar', true, { location: where('us/a/1') })
    know(dialled, 20, where('us/a/1'), 'far')
    assert.deepEqual(dialled.toDial(0), [])
  })

  test('up to 24 links from other regions are accepted, beside those of the own one: all nodes of a large region want one to a small one', () => {
    const links = book()
    const far = { location: where('us/a/1') }
    for (let index = 0; index < 24; index++) {
      assert.ok(links.mayAccept(far))
      links.linked(`f${index}`, true, far)
    }
    assert.deepEqual([links.mayAccept(far), links.mayAccept({ location: here }, 0)], [false, true])
    links.closed('f3', 0)
    assert.equal(links.mayAccept(far, 15), true)
  })

  test('known supernodes are dialled first and do not count, but for the hard limit', () => {
    const links = book(9)
    know(links, 50, here)
    for (const key of ['s1', 's2', 's3']) {
      links.found({ peerId: key, addresses: ['a'], location: where('us/a/1'), supernode: true }, 'peers')
    }
    const dialled = links.toDial(0)
    assert.deepEqual(dialled.slice(0, 3).map(({ key }) => key).toSorted(), ['s1', 's2', 's3'])
    assert.equal(dialled.length, 8)
    for (const { key } of dialled) links.linked(key, false)
    assert.deepEqual([links.toDial(500).length, links.linkedCount, links.diallingCount], [1, 8, 1])
  })

  test('a supernode is dialled by who has all the links it wants', () => {
    const links = book()
    for (let index = 0; index < 12; index++) links.linked(`p${index}`, true)
    links.found({ peerId: 's', addresses: ['a'], supernode: true }, 'peers')
    assert.deepEqual(links.toDial(0).map(({ key }) => key), ['s'])
    links.dialFailed('s', 0)
    assert.deepEqual([links.toDial(499).length, links.toDial(1000).length], [0, 1])
  })
})

describe('LinkBook: what is known of a peer', () => {
  test('the newest word on a peer holds, and while it is linked its own', () => {
    const links = book()
    links.found({ peerId: 'a', addresses: ['x'], location: where('eu/a/9') }, 'dht')
    links.found({ peerId: 'a', addresses: ['x'], supernode: true }, 'tracker')
    assert.deepEqual(facts(links, 'a'), [where('eu/a/9'), true])
    links.linked('a', true, { location: where('us/b/2'), supernode: false })
    links.found({ peerId: 'a', addresses: ['x'], location: here, supernode: true }, 'tracker')
    assert.deepEqual(facts(links, 'a'), [where('us/b/2'), false])
    links.closed('a', 0)
    links.found({ peerId: 'a', addresses: ['x'], location: here }, 'tracker')
    assert.deepEqual(facts(links, 'a'), [here, false])
  })

  test('what was told of an address holds for the peer that is met there', () => {
    const links = book()
    links.found({ addresses: ['x'], location: here, supernode: true }, 'peers')
    assert.ok(links.mayDial('x'))
    links.identified('x', 'a')
    assert.deepEqual([facts(links, 'a'), links.diallingCount], [[here, true], 0])
  })

  test('an address whose peer was met on another way is not dialled under its old name', () => {
    const links = book()
    links.found({ addresses: ['x'] }, 'peers')
    links.identified('x', 'a')
    assert.deepEqual(links.toDial(0).map(({ key }) => key), ['a'])
  })

  test('each peer that failed waits for its own time', () => {
    const links = book()
    for (const peerId of ['often', 'once']) links.found({ peerId, addresses: ['a'] }, 'dht')
    for (const peerId of ['once', ...Array<string>(8).fill('often')]) {
      links.mayDial(peerId)
      links.dialFailed(peerId, 0)
    }
    assert.deepEqual(links.toDial(499), [])
    assert.deepEqual(links.toDial(1000).map(({ key }) => key), ['once'])
    assert.deepEqual(links.toDial(29_999), [])
    assert.deepEqual(links.toDial(60_000).map(({ key }) => key), ['often'])
  })

  test('a dialled peer that turns out to be far counts as far', () => {
    const links = book()
    know(links, 2, where('//'), 'unknown')
    for (const { key } of links.toDial(0)) links.linked(key, false, { location: where('us/a/1') })
    know(links, 20, where('us/a/1'), 'far')
    assert.deepEqual(links.toDial(500), [])
  })
})

function book(maxLinks = 64, options: LinkBookOptions = {}, seed = 1): LinkBook {
  return new LinkBook('self', maxLinks, seededRandom(seed), { location: here, ...options })
}

function where(path: string): Location {
  const [region = '', zone = '', rack = ''] = path.split('/')
  return { region, zone, rack }
}

function know(links: LinkBook, count: number, location: Location, name = 'p'): void {
  for (let index = 0; index < count; index++) links.found({ peerId: `${name}${index}`, addresses: ['a'], location }, 'tracker')
}

function facts(links: LinkBook, key: string): unknown[] {
  const peer = links.get(key)
  return [peer?.location, peer?.supernode]
}
