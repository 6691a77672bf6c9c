import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { digestOf, type Digest } from '../../src/core/digest.ts'
import { pieceLayout } from '../../src/core/piece-layout.ts'
import { BlobIndex, type BlobEntry } from '../../src/store/blob-index.ts'
import { chooseVictims } from '../../src/store/eviction.ts'
import { fuzzRuns } from '../support/fuzz.ts'
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

describe('the choice among blobs', () => {
  const names = Array.from({ length: 6 }, (_, index) => digestOf(Uint8Array.of(index)))
  const act = fc.record({
    what: fc.constantFrom('add', 'add', 'touch', 'pin', 'unpin', 'hold', 'let go', 'doom', 'remove'),
    digest: fc.constantFrom(...names),
    sizeBytes: fc.integer({ min: 1, max: 100 }),
  })

  test('takes none that is pinned, held or on its way out, those used longest ago first, and enough or nothing', () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 40 }), fc.nat(300), (acts, neededBytes) => {
        const index = new BlobIndex()
        /** As it should be: the one used last at the end. */
        const model: BlobEntry[] = []
        const holds: { digest: Digest; letGo: () => boolean }[] = []
        for (const { what, digest, sizeBytes } of acts) {
          const entry = model.find((each) => each.digest === digest)
          if (what === 'add') {
            const added = entryOf(digest, sizeBytes)
            if (entry) model.splice(model.indexOf(entry), 1)
            index.add(added)
            model.push(added)
          } else if (what === 'hold') holds.push({ digest, letGo: index.hold(digest) })
          else if (what === 'let go') holds.splice(0, 1)[0]?.letGo()
          else if (entry && what === 'touch') {
            index.touch(entry)
            model.push(...model.splice(model.indexOf(entry), 1))
          } else if (entry && what === 'remove') {
            index.remove(entry)
            model.splice(model.indexOf(entry), 1)
          } else if (entry && what === 'doom') entry.doomed = true
          else if (entry) entry.pinned = what === 'pin'
        }
        const free = model.filter(({ digest, pinned, doomed }) => !pinned && !doomed && !holds.some((hold) => hold.digest === digest))
        assert.deepEqual([...index.evictable()], free)
        assert.equal(index.usedBytes, sum(model))
        const victims = chooseVictims([...index.evictable()].map((entry) => ({ ...entry, sizeBytes: entry.layout.sizeBytes })), neededBytes)
        if (sum(free) < neededBytes) return assert.equal(victims, undefined)
        assert.ok(victims && sum(victims) >= neededBytes)
        assert.ok(victims.every(({ digest }) => free.some((entry) => entry.digest === digest)))
      }),
      fuzzRuns(10_000),
    )
  })

  function entryOf(digest: Digest, sizeBytes: number): BlobEntry {
    const unknown = { private: undefined, mediaType: undefined, repositories: [], recordedUseMs: 0, firstUse: undefined }
    return { digest, layout: pieceLayout(sizeBytes), pinned: false, doomed: false, ...unknown }
  }

  function sum(entries: readonly Pick<BlobEntry, 'layout'>[]): number {
    return entries.reduce((bytes, { layout }) => bytes + layout.sizeBytes, 0)
  }
})
