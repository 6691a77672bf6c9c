import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { digestOf, digestToBytes } from '../../src/core/digest.ts'
import { PeerError } from '../../src/core/errors.ts'
import { ByteReader } from '../../src/wire/byte-reader.ts'
import { fuzz } from './fuzz.ts'

const violated = { code: 'ERR_PEER_PROTOCOL' }

describe('ByteReader', () => {
  test('numbers outside their bounds are refused, those on them are not', () => {
    assert.equal(reader('05').varint(5, 5), 5)
    assert.throws(() => reader('06').varint(5), violated)
    assert.throws(() => reader('04').varint(9, 5), violated)
  })

  test('any bytes are a number below 2^53 of at most 8 bytes, or refused', () => {
    const likelyVarint = fc
      .tuple(fc.array(fc.integer({ min: 0x80, max: 0xff }), { maxLength: 10 }), fc.nat(0x7f))
      .map(([high, last]) => Uint8Array.from([...high, last]))
    fc.assert(
      fc.property(likelyVarint, (bytes) => {
        const exact = bytes.reduceRight((sum, byte) => sum * 128n + BigInt(byte & 0x7f), 0n)
        const shortest = bytes.byteLength === 1 || bytes.at(-1) !== 0
        const legal = bytes.byteLength <= 8 && shortest && exact < 2n ** 53n
        if (legal) assert.equal(new ByteReader(bytes).varint(), Number(exact))
        else assert.throws(() => new ByteReader(bytes).varint(), violated)
      }),
      fuzz,
    )
  })

  test('a length above the limit is refused although the bytes are there', () => {
    assert.deepEqual(reader('020708').bytes(2), Uint8Array.of(7, 8))
    assert.throws(() => reader('03070809').bytes(2), violated)
  })

  test('a length below the least is refused', () => {
    assert.deepEqual(reader('0107').bytes(2, 1), Uint8Array.of(7))
    assert.throws(() => reader('00').bytes(2, 1), violated)
  })

  test('a length beyond the payload is refused', () => {
    assert.throws(() => reader('03ffff').bytes(100), violated)
    assert.throws(() => reader('03ffff').text(100), violated)
    assert.throws(() => reader('ff').fixed(2), violated)
    assert.throws(() => reader('00'.repeat(31)).digest(), violated)
  })

  test('a count above the limit is refused before an item is read', () => {
    let itemsRead = 0
    const list = reader(`05${'00'.repeat(5)}`)
    assert.throws(() => list.list(4, () => itemsRead++), violated)
    assert.equal(itemsRead, 0)
  })

  test('what it returns is plain bytes of their own, not a view of a Buffer', () => {
    const chunk = Buffer.from('02aabb', 'hex')
    const bytes = new ByteReader(chunk).bytes(2)
    chunk.fill(0)
    assert.deepEqual(bytes, Uint8Array.of(0xaa, 0xbb))
    assert.equal(bytes.buffer.byteLength, 2)
  })

  test('a text that is no UTF-8 is refused with its cause, and spoils no later one', () => {
    for (const bad of ['01ff', '02c328', '03e0809f', '04f5808080', '02e282']) {
      assert.throws(
        () => reader(bad).text(64),
        (error) => error instanceof PeerError && error.code === 'ERR_PEER_PROTOCOL' && error.cause instanceof TypeError,
      )
      assert.equal(reader('03e282ac').text(64), '€')
    }
  })

  test('a digest reads as text', () => {
    const digest = digestOf(Uint8Array.of(1))
    assert.equal(new ByteReader(digestToBytes(digest)).digest(), digest)
  })

  test('bytes that nobody read are refused at the end', () => {
    const rest = reader('0102')
    rest.varint()
    assert.throws(() => rest.end(), violated)
    rest.varint()
    rest.end()
  })
})

function reader(hex: string): ByteReader {
  return new ByteReader(Buffer.from(hex, 'hex'))
}
