import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { describe, test } from 'vitest'
import { seededRandom } from '../../src/core/random.ts'
import { LinkBook } from '../../src/engine/links.ts'
import { compareDistance, estimateCount } from '../../src/engine/place.ts'

const target = placeOf('a topic')
const own = { region: 'eu', zone: 'a', rack: '1' }

describe('LinkBook: the nearest to a place', () => {
  test('they come in the order of their distance', () => {
    const links = book()
    const keys = know(links, 200)
    const sorted = keys.toSorted((a, b) => compareDistance(placeOf(a), placeOf(b), target))
    for (const count of [0, 1, 3, 20, 300]) assert.deepEqual(names(links, count), sorted.slice(0, count))
  })

  test('supernodes come first, by distance as well; the others follow', () => {
    const links = book()
    const [nearest, second] = sortedKeys(know(links, 100))
    const supernodes = sortedKeys(['s1', 's2'])
    for (const peerId of ['s2', 's1']) links.found({ peerId, addresses: ['a'], supernode: true }, 'peers')
    assert.deepEqual(names(links, 4), [...supernodes, nearest, second])
    assert.deepEqual(names(links, 1), supernodes.slice(0, 1))
  })

  test('only those come that are linked or can be dialled now', () => {
    const links = book()
    links.linked('linked', true)
    links.linked('gone', true)
    links.closed('gone', 0)
    links.found({ peerId: 'no address', addresses: [] }, 'dht')
    links.found({ peerId: 'good', addresses: ['a'] }, 'dht')
    links.found({ peerId: 'failed', addresses: ['a'] }, 'dht')
    links.mayDial('failed')
    links.dialFailed('failed', 0)
    assert.deepEqual(names(links, 9).toSorted(), ['good', 'linked'])
    assert.deepEqual(links.nearest(target, 9, 499).map(({ key }) => key).toSorted(), ['good', 'linked'])
    assert.deepEqual(links.nearest(target, 9, 1000).map(({ key }) => key).toSorted(), ['failed', 'good', 'linked'])
  })

  test('a peer known by its address alone has no place and comes last', () => {
    const links = book()
    links.found({ addresses: ['x'] }, 'peers')
    links.found({ peerId: 'a', addresses: ['y'] }, 'peers')
    assert.deepEqual([links.get('x')?.place, names(links, 2)], [undefined, ['a', 'x']])
  })

  test('a place is asked for once, and only when it is needed', () => {
    const asked: string[] = []
    const links = new LinkBook('self', 64, seededRandom(1), {
      placeOf: (peerId) => {
        asked.push(peerId)
        return placeOf(peerId)
      },
    })
    const keys = know(links, 20)
    links.toDial(0)
    assert.deepEqual(asked, [])
    for (let times = 0; times < 3; times++) links.nearest(target, 3)
    assert.deepEqual(new Set(asked), new Set(keys))
    assert.equal(asked.length, keys.length)
    assert.deepEqual(links.get('p1')?.place, placeOf('p1'))
  })

  test('the number of nodes is judged by the places of all that are known', () => {
    const links = book()
    assert.equal(links.estimateNodeCount(), 1)
    const keys = know(links, 300)
    assert.equal(links.estimateNodeCount(), estimateCount(keys.map(placeOf), placeOf('self')))
    const without = new LinkBook('self', 64, seededRandom(1))
    know(without, 30)
    assert.equal(without.estimateNodeCount(), 31)
  })
})

describe('LinkBook: many books in one process', () => {
  test('to ask whom to dial costs no more with thousands of peers that are not to be dialled', () => {
    const idle = (known: number): (() => unknown) => {
      const [full, waiting, unreachable] = [book(), book(), book()]
      for (const links of [full, waiting]) know(links, known)
      for (let index = 0; index < 12; index++) full.linked(`guest${index}`, true)
      for (let index = 0; index < known; index++) {
        waiting.mayDial(`p${index}`)
        waiting.dialFailed(`p${index}`, 10_000)
        unreachable.found({ peerId: `p${index}`, addresses: [] }, 'dht')
      }
      return () => {
        for (const links of [full, waiting, unreachable]) {
          assert.equal(links.toDial(10_001).length + links.diallingCount, 0)
          assert.equal(links.linkedCount, links === full ? 12 : 0)
        }
      }
    }
    assertSameCost(idle(10), idle(4096))
  })

  test('to dial, to link and to close costs no more with thousands of known peers', () => {
    const busy = (known: number): (() => unknown) => {
      const links = book()
      know(links, known)
      let now = 0
      return () => {
        now += 2000
        const round = links.toDial(now)
        assert.equal(round.length, 5)
        for (const { key } of round) links.linked(key, false)
        for (const { key } of round) links.closed(key, now)
      }
    }
    assertSameCost(busy(10), busy(4096))
  })

  test('a new peer in a full book takes the place of the one not heard of for longest, at a small price', () => {
    const finding = (known: number): (() => unknown) => {
      const links = book()
      know(links, known)
      let index = known
      return () => links.found({ peerId: `p${index++}`, addresses: ['a'] }, 'dht')
    }
    // Much of the price of a full book is that of a large map: the same without the rule.
    assertSameCost(finding(10), finding(4096), 60)
  })

  test('who is found again is not the one that is forgotten, and the forgotten are not dialled', () => {
    const links = book()
    know(links, 4096)
    links.found({ peerId: 'p0', addresses: ['a'] }, 'dht')
    for (let index = 0; index < 4095; index++) links.found({ peerId: `new${index}`, addresses: ['a'] }, 'dht')
    assert.deepEqual([links.knownCount, links.get('p0')?.key, links.get('p1')], [4096, 'p0', undefined])
    for (const { key } of links.toDial(0)) assert.ok(links.get(key))
  })
})

function book(): LinkBook {
  return new LinkBook('self', 64, seededRandom(1), { placeOf, location: own })
}

function know(links: LinkBook, count: number): string[] {
  const keys = Array.from({ length: count }, (_, index) => `p${index}`)
  for (const peerId of keys) links.found({ peerId, addresses: ['a'] }, 'tracker')
  return keys
}

function names(links: LinkBook, count: number): string[] {
  return links.nearest(target, count).map(({ key }) => key)
}

function sortedKeys(keys: readonly string[]): string[] {
  return keys.toSorted((a, b) => compareDistance(placeOf(a), placeOf(b), target))
}

function placeOf(peerId: string): Uint8Array {
  return createHash('sha256').update(peerId).digest()
}

/** The least of several times, for what else the machine does only adds. Looking at all of 4096 peers would cost hundreds of times more. */
function assertSameCost(few: () => unknown, many: () => unknown, factor = 15): void {
  const [least, most] = [timeOf(few), timeOf(many)]
  assert.ok(most < factor * least, `${most} ms with many, ${least} ms with few`)
}

function timeOf(run: () => unknown): number {
  const times = Array.from({ length: 20 }, () => {
    const start = performance.now()
    for (let count = 0; count < 200; count++) run()
    return performance.now() - start
  })
  return Math.min(...times)
}
