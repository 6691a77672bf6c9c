import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { seededRandom } from '../../src/core/random.ts'
import { JoinWalk, type WalkEffect, type WalkEvent } from '../../src/engine/join-walk.ts'
import { compareDistance, smallest } from '../../src/engine/place.ts'
import type { RankedPeer } from '../../src/engine/ranks.ts'
import { fuzzRuns } from '../support/fuzz.ts'

const topic = new Uint8Array(32)

/** A node at a distance from the topic. */
function at(distance: number, supernode = false): RankedPeer {
  const place = new Uint8Array(32)
  place[0] = distance
  return { key: `node ${distance}`, place, supernode }
}

const self = at(255)

function answer(distance: number, options: { members?: number; nearer?: readonly number[]; busy?: boolean } = {}): WalkEvent {
  const { members = 0, nearer = [], busy = false } = options
  return { type: 'answered', key: `node ${distance}`, members, nearer: nearer.map((each) => at(each)), busy }
}

function failed(distance: number): WalkEvent {
  return { type: 'failed', key: `node ${distance}` }
}

function walkFrom(...distances: readonly number[]): { walk: JoinWalk; first: readonly string[] } {
  const walk = new JoinWalk(topic, self)
  return { walk, first: said(walk.start(distances.map((each) => at(each)), 0)) }
}

function said(effects: readonly WalkEffect[]): string[] {
  return effects.map((effect) => (effect.type === 'done' ? 'done' : effect.key))
}

/** A walk as a table: what comes, and what it does then. */
function follow(walk: JoinWalk, steps: readonly (readonly [WalkEvent, string | undefined])[]): void {
  for (const [event, expected] of steps) {
    assert.deepEqual(said(walk.step(event, 0)), expected === undefined ? [] : [expected], JSON.stringify(event))
  }
}

describe('a walk to a topic', () => {
  test('a node that knows nobody is done at once', () => {
    const { walk, first } = walkFrom()
    assert.deepEqual(first, ['done'])
    assert.ok(walk.done)
  })

  test('the nearest known node is asked first, a supernode before it', () => {
    assert.deepEqual(walkFrom(50, 20, 30).first, ['node 20'])
    const walk = new JoinWalk(topic, self)
    assert.deepEqual(said(walk.start([at(20), at(90, true)], 0)), ['node 90'])
  })

  test('it goes on with the nearest that was named while that is nearer than who answered', () => {
    const { walk } = walkFrom(100, 120)
    follow(walk, [
      [answer(100, { nearer: [60, 40, 110] }), 'node 40'],
      [answer(40, { nearer: [50] }), 'done'],
    ])
  })

  test('three answers end it', () => {
    const { walk } = walkFrom(100)
    follow(walk, [
      [answer(100, { nearer: [80] }), 'node 80'],
      [answer(80, { nearer: [60] }), 'node 60'],
      [answer(60, { nearer: [40] }), 'done'],
    ])
  })

  test('eight members end it', () => {
    const { walk } = walkFrom(100)
    follow(walk, [
      [answer(100, { members: 7, nearer: [80] }), 'node 80'],
      [answer(80, { members: 1, nearer: [60] }), 'done'],
    ])
    const enough = walkFrom(100)
    follow(enough.walk, [[answer(100, { members: 8, nearer: [80] }), 'done']])
  })

  test('it never asks its own node', () => {
    const { walk } = walkFrom(100)
    follow(walk, [[{ ...answer(100), nearer: [self, at(60)] } as WalkEvent, 'node 60']])
  })

  test('a node that is itself the nearest asks whom it knows, and no further', () => {
    const walk = new JoinWalk(topic, at(50))
    assert.deepEqual(said(walk.start([at(100)], 0)), ['node 100'])
    follow(walk, [[answer(100, { nearer: [60, 70] }), 'done']])
    const farther = new JoinWalk(topic, at(50))
    farther.start([at(100)], 0)
    follow(farther, [[answer(100, { nearer: [60, 40] }), 'node 40']])
  })

  test('who fails, is silent for 250 ms or busy is not a hop', () => {
    const { walk } = walkFrom(10, 20, 30, 40, 50, 60, 70)
    follow(walk, [[failed(10), 'node 20']])
    assert.equal(walk.dueMs, 250)
    assert.deepEqual(walk.step({ type: 'tick' }, 249), [])
    assert.deepEqual(said(walk.step({ type: 'tick' }, 250)), ['node 30'])
    assert.equal(walk.dueMs, 500)
    follow(walk, [
      [answer(30, { busy: true }), 'node 40'],
      [answer(40), 'done'],
    ])
  })

  test('a busy node names whom it knows: they count, and are asked', () => {
    const { walk } = walkFrom(100, 120)
    follow(walk, [
      [answer(100, { busy: true, members: 5, nearer: [70] }), 'node 70'],
      [answer(70, { members: 3, nearer: [60] }), 'done'],
    ])
  })

  test('six nodes are asked at most', () => {
    const { walk, first } = walkFrom(10, 20, 30, 40, 50, 60, 70, 80)
    assert.deepEqual(first, ['node 10'])
    follow(walk, [
      [failed(10), 'node 20'],
      [failed(20), 'node 30'],
      [failed(30), 'node 40'],
      [failed(40), 'node 50'],
      [failed(50), 'node 60'],
      [failed(60), 'done'],
    ])
  })

  test('a late answer adds what it knows, and the one that is waited for goes on', () => {
    const { walk } = walkFrom(100, 120)
    assert.deepEqual(said(walk.step({ type: 'tick' }, 250)), ['node 120'])
    follow(walk, [
      [answer(100, { nearer: [30] }), undefined],
      [failed(120), 'node 30'],
    ])
  })

  test('of two answers of one node the second is not a hop, and its members are the same ones', () => {
    const { walk } = walkFrom(100)
    follow(walk, [
      [answer(100, { members: 4, nearer: [80] }), 'node 80'],
      [answer(100, { members: 4, nearer: [80] }), undefined],
      [answer(80, { nearer: [60] }), 'node 60'],
      [answer(60, { nearer: [40] }), 'done'],
    ])
  })

  test('what comes from somebody who was not asked, or fails and is not waited for, changes nothing', () => {
    const { walk } = walkFrom(100, 120)
    follow(walk, [
      [answer(50, { members: 16, nearer: [1] }), undefined],
      [failed(120), undefined],
      [answer(100), 'done'],
      [answer(100, { nearer: [1] }), undefined],
    ])
    assert.equal(walk.dueMs, undefined)
  })

  test('whatever comes, it ends, and has asked at most six nodes, none twice', () => {
    const distance = fc.nat(254)
    const event = fc.oneof(
      fc.record({
        type: fc.constant('answered' as const),
        fromLast: fc.boolean(),
        distance,
        members: fc.nat(4),
        nearer: fc.array(distance, { maxLength: 8 }),
        busy: fc.boolean(),
      }),
      fc.record({ type: fc.constant('failed' as const), fromLast: fc.boolean(), distance }),
      fc.record({ type: fc.constant('tick' as const), fromLast: fc.boolean(), distance }),
    )
    fc.assert(
      fc.property(fc.array(distance, { maxLength: 8 }), fc.array(event, { maxLength: 30 }), (known, events) => {
        const walk = new JoinWalk(topic, self)
        const asked: string[] = []
        let now = 0
        const take = (effects: readonly WalkEffect[]): void => {
          for (const effect of effects) if (effect.type === 'ask') asked.push(effect.key)
        }
        take(walk.start(known.map((each) => at(each)), now))
        for (const { fromLast, distance: from, ...each } of events) {
          const key = (fromLast ? asked.at(-1) : undefined) ?? `node ${from}`
          if (each.type === 'answered') take(walk.step({ ...answer(0, each), key } as WalkEvent, now))
          else if (each.type === 'failed') take(walk.step({ type: 'failed', key }, now))
          else take(walk.step({ type: 'tick' }, (now = walk.dueMs ?? now)))
          assert.equal(walk.done, walk.dueMs === undefined)
        }
        // From now on everybody is silent.
        for (let due = walk.dueMs; due !== undefined; due = walk.dueMs) take(walk.step({ type: 'tick' }, due))
        assert.ok(walk.done)
        assert.ok(asked.length <= 6)
        assert.equal(new Set(asked).size, asked.length)
      }),
      fuzzRuns(500),
    )
  })
})

describe('a walk through two thousand nodes that know twenty at each distance', () => {
  const random = seededRandom(7)
  const nodes: RankedPeer[] = Array.from({ length: 2000 }, (_, index) => ({
    key: `node ${index}`,
    place: Uint8Array.from({ length: 32 }, () => random.below(256)),
    supernode: false,
  }))
  const byKey = new Map(nodes.map((node) => [node.key, node]))
  const views = new Map<RankedPeer, RankedPeer[]>()

  function bucket(a: RankedPeer, b: RankedPeer): number {
    for (let bit = 0; bit < 256; bit++) {
      const [inA, inB] = [(a.place[bit >> 3] ?? 0) >> (7 - (bit & 7)), (b.place[bit >> 3] ?? 0) >> (7 - (bit & 7))]
      if ((inA & 1) !== (inB & 1)) return bit
    }
    return 256
  }

  /** Twenty of each bucket, by chance. */
  function viewOf(node: RankedPeer): RankedPeer[] {
    const known = views.get(node)
    if (known) return known
    const buckets = new Map<number, RankedPeer[]>()
    const start = random.below(nodes.length)
    for (let index = 0; index < nodes.length; index++) {
      const other = nodes[(start + index) % nodes.length]
      if (!other || other === node) continue
      const at = bucket(node, other)
      const peers = buckets.get(at) ?? []
      if (peers.length < 20) buckets.set(at, [...peers, other])
    }
    const view = [...buckets.values()].flat()
    views.set(node, view)
    return view
  }

  function nearest(of: Iterable<RankedPeer>, target: Uint8Array, count: number): RankedPeer[] {
    return smallest(of, count, (a, b) => compareDistance(a.place, b.place, target))
  }

  test('three hops reach the nearest in 95 of 100 walks at least', () => {
    const walks = 200
    let reached = 0
    for (let count = 0; count < walks; count++) {
      const target = Uint8Array.from({ length: 32 }, () => random.below(256))
      const walker = nodes[random.below(nodes.length)]
      if (!walker) continue
      const [goal] = nearest(nodes.filter((node) => node !== walker), target, 1)
      const walk = new JoinWalk(target, walker)
      const asked: RankedPeer[] = []
      let effects = walk.start(nearest(viewOf(walker), target, 8), 0)
      for (let hop = 0; !walk.done; hop++) {
        const [effect] = effects
        const node = effect?.type === 'ask' ? byKey.get(effect.key) : undefined
        assert.ok(node && hop < 3)
        asked.push(node)
        const nearer = nearest(viewOf(node), target, 8).filter((each) => compareDistance(each.place, node.place, target) < 0)
        effects = walk.step({ type: 'answered', key: node.key, members: 0, nearer, busy: false }, 0)
      }
      if (goal && asked.includes(goal)) reached++
    }
    assert.ok(reached >= 0.95 * walks, `${reached} of ${walks}`)
  })
})
