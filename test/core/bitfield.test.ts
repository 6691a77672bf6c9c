import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { Bitfield } from '../../src/core/bitfield.ts'

const sized = fc.integer({ min: 0, max: 200 })

describe('Bitfield', () => {
  test('is a set of the pieces below its size', () => {
    const changes = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: -3, max: 210 })))
    fc.assert(
      fc.property(sized, changes, (size, steps) => {
        const field = new Bitfield(size)
        const model = new Set<number>()
        for (const [add, piece] of steps) {
          const inside = piece >= 0 && piece < size
          if (add) assert.equal(field.add(piece), inside && !model.has(piece))
          else assert.equal(field.delete(piece), model.has(piece))
          if (add && inside) model.add(piece)
          if (!add) model.delete(piece)
        }
        assert.deepEqual([...field.indexes()], [...model].toSorted((a, b) => a - b))
        assert.equal(field.count, model.size)
        assert.equal(field.complete, model.size === size)
        for (const from of [0, Math.floor(size / 2)]) {
          let missing = from
          while (missing < size && model.has(missing)) missing++
          assert.equal(field.firstMissing(from), missing)
        }
      }),
    )
  })

  test('reads its own wire form', () => {
    fc.assert(
      fc.property(sized, fc.array(fc.nat(200)), (size, pieces) => {
        const field = new Bitfield(size)
        for (const piece of pieces) field.add(piece)
        const read = Bitfield.fromBytes(field.toBytes(), size)
        assert.deepEqual([...(read?.indexes() ?? [])], [...field.indexes()])
        assert.equal(read?.count, field.count)
      }),
    )
  })

  test('has its first piece in the highest bit', () => {
    const field = new Bitfield(10)
    field.add(0)
    field.add(9)
    assert.deepEqual(field.toBytes(), Uint8Array.of(0b1000_0000, 0b0100_0000))
  })

  test('refuses a wire form of another length, or with a spare bit', () => {
    assert.equal(Bitfield.fromBytes(new Uint8Array(1), 10), undefined)
    assert.equal(Bitfield.fromBytes(new Uint8Array(3), 10), undefined)
    assert.equal(Bitfield.fromBytes(Uint8Array.of(0, 0b0010_0000), 10), undefined)
  })

  test('a copy changes on its own', () => {
    const field = new Bitfield(3)
    const copy = field.clone()
    copy.fill()
    assert.deepEqual([field.count, copy.count, copy.complete], [0, 3, true])
    copy.clear()
    assert.equal(copy.count, 0)
  })
})
