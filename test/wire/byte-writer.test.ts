import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { ByteReader } from '../../src/wire/byte-reader.ts'
import { ByteWriter } from '../../src/wire/byte-writer.ts'
import { fuzz } from './fuzz.ts'

describe('ByteWriter', () => {
  test('every safe number reads back, in as many bytes as its bits need', () => {
    const anySize = fc.tuple(fc.nat(53), fc.maxSafeNat()).map(([bits, value]) => value % 2 ** bits)
    fc.assert(
      fc.property(anySize, (value) => {
        const bytes = written((to) => to.varint(value))
        assert.equal(new ByteReader(bytes).varint(), value)
        assert.equal(bytes.byteLength, Math.max(1, Math.ceil(value.toString(2).length / 7)))
      }),
      fuzz,
    )
  })

  const refused: [name: string, write: (to: ByteWriter) => void][] = [
    ['a negative number', (to) => to.varint(-1)],
    ['a fraction', (to) => to.varint(0.5)],
    ['NaN', (to) => to.varint(NaN)],
    ['infinity', (to) => to.varint(Infinity)],
    ['2^53', (to) => to.varint(2 ** 53)],
    ['a number above its limit', (to) => to.varint(6, 5)],
    ['a number below its limit', (to) => to.varint(0, 5, 1)],
    ['too many bytes', (to) => to.bytes(new Uint8Array(3), 2)],
    ['fewer bytes than the least', (to) => to.bytes(new Uint8Array(), 2, 1)],
    ['too few bytes', (to) => to.fixed(new Uint8Array(3), 4)],
    ['a text with too many bytes for its characters', (to) => to.text('üü', 3)],
    ['half a surrogate pair', (to) => to.text('\ud83e', 64)],
    ['a digest that is not 64 hex digits', (to) => to.digest('sha256:abc')],
    ['too many items', (to) => to.list([1, 2, 3], 2, (item) => to.varint(item))],
    ['more than there is room for', (to) => to.fixed(new Uint8Array(1001), 1001)],
  ]
  for (const [name, write] of refused) {
    test(`${name} is refused`, () => {
      assert.throws(() => written(write), RangeError)
    })
  }

  test('what is written while it grows stays', () => {
    const bytes = written((to) => to.list(Array.from({ length: 900 }, (_, n) => n % 100), 900, (n) => to.varint(n)))
    const read = new ByteReader(bytes).list(900, (from) => from.varint())
    assert.deepEqual(read, Array.from({ length: 900 }, (_, n) => n % 100))
  })
})

function written(write: (to: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter(1000)
  write(writer)
  return writer.finish()
}
