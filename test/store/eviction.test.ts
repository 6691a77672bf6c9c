import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { chooseVictims } from '../../src/store/eviction.ts'
import { fuzz } from './fuzz.ts'

/** Sizes, least recently used first. */
function choose(sizes: readonly number[], neededBytes: number): number[] | undefined {
  const candidates = sizes.map((sizeBytes, index) => ({ sizeBytes, index }))
  return chooseVictims(candidates, neededBytes)?.map(({ index }) => index)
}

describe('chooseVictims', () => {
  const table: [name: string, sizes: number[], needed: number, victims: number[] | undefined][] = [
    ['takes those used longest ago', [10, 10, 10], 15, [0, 1]],
    ['takes nothing when nothing is needed', [10, 10], 0, []],
    ['takes all when all are needed', [10, 10], 20, [0, 1]],
    ['takes none when all would not do', [10, 10], 21, undefined],
    ['spares small ones that a large one made unnecessary', [1, 2, 100], 50, [2]],
    ['spares the later of two small ones when one is enough', [5, 4, 8], 12, [0, 2]],
    ['finds nothing among nothing', [], 1, undefined],
  ]
  for (const [name, sizes, needed, victims] of table) {
    test(name, () => assert.deepEqual(choose(sizes, needed), victims))
  }

  const sizes = fc.array(fc.nat(1000), { maxLength: 30 })

  test('frees enough, or says that nothing would', () => {
    fc.assert(
      fc.property(sizes, fc.nat(15_000), (list, needed) => {
        const total = list.reduce((sum, size) => sum + size, 0)
        const victims = choose(list, needed)
        if (total < needed) return assert.equal(victims, undefined)
        const freed = (victims ?? []).reduce((sum, index) => sum + (list[index] ?? 0), 0)
        assert.ok(freed >= needed)
      }),
      fuzz,
    )
  })

  test('takes none that is not needed, and nobody used later than needed', () => {
    fc.assert(
      fc.property(sizes, fc.nat(15_000), (list, needed) => {
        const victims = choose(list, needed) ?? []
        const freed = victims.reduce((sum, index) => sum + (list[index] ?? 0), 0)
        for (const index of victims) assert.ok(freed - (list[index] ?? 0) < needed)
        const upTo = list.findIndex(
          (_, index) => list.slice(0, index + 1).reduce((a, b) => a + b, 0) >= needed,
        )
        for (const index of victims) assert.ok(index <= upTo)
        assert.deepEqual(
          victims,
          victims.toSorted((a, b) => a - b),
        )
      }),
      fuzz,
    )
  })
})
