import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { compareDistance } from '../../src/engine/place.ts'
import { compareRank } from '../../src/engine/ranks.ts'
import { fuzzRuns } from '../support/fuzz.ts'

const place = fc.uint8Array({ minLength: 32, maxLength: 32 })
const node = fc.record({ place, supernode: fc.boolean() })

describe('ranks', () => {
  test('the nearer of two nodes comes first, and a supernode before all others', () => {
    const target = new Uint8Array(32)
    const [near, far] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
    const nodes = {
      farSuper: { place: far, supernode: true },
      nearSuper: { place: near, supernode: true },
      far: { place: far, supernode: false },
      near: { place: near, supernode: false },
    }
    const order = Object.entries(nodes).toSorted(([, a], [, b]) => compareRank(a, b, target))
    assert.deepEqual(order.map(([name]) => name), ['nearSuper', 'farSuper', 'near', 'far'])
  })

  test('all nodes that see the same nodes agree on the order', () => {
    fc.assert(
      fc.property(fc.array(node, { minLength: 2, maxLength: 12 }), place, fc.nat(), (nodes, target, turn) => {
        const turned = nodes.map((_, index) => nodes[(index + turn) % nodes.length] ?? nodes[index])
        const sort = (list: typeof turned): unknown[] =>
          list.flatMap((each) => each ?? []).toSorted((a, b) => compareRank(a, b, target))
        assert.deepEqual(sort(turned), sort(nodes))
      }),
      fuzzRuns(300),
    )
  })

  test('among nodes of one kind, rank is distance', () => {
    fc.assert(
      fc.property(place, place, place, fc.boolean(), (a, b, target, supernode) => {
        const rank = compareRank({ place: a, supernode }, { place: b, supernode }, target)
        assert.equal(Math.sign(rank), Math.sign(compareDistance(a, b, target)))
      }),
      fuzzRuns(300),
    )
  })
})
