import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { pieceLayout } from '../../src/core/piece-layout.ts'
import {
  bytesOf,
  decodeJournal,
  encodeJournalHeader,
  encodeJournalRecords,
  replayJournal,
  type JournalRecord,
} from '../../src/store/journal.ts'
import { fuzz } from './fuzz.ts'

const headerBytes = 64
const recordBytes = 48
const digest = digestOf(Buffer.from('a blob'))
const layout = pieceLayout(3 * 1024 * 1024)

const piece = fc.nat(layout.pieceCount - 1)
const record: fc.Arbitrary<JournalRecord> = fc.oneof(
  fc.record({
    type: fc.constant('stored' as const),
    piece,
    fromOrigin: fc.boolean(),
    hash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  }),
  fc.record({ type: fc.constant('dropped' as const), piece }),
  fc.constantFrom(
    { type: 'private' } as const,
    { type: 'opened' } as const,
    { type: 'clean' } as const,
  ),
)
const records = fc.array(record, { maxLength: 20 })

function encode(list: readonly JournalRecord[]): Uint8Array {
  const header = encodeJournalHeader(digest, layout)
  return Buffer.concat([header, encodeJournalRecords(list, header, headerBytes)])
}

/** JSON, so that records can be compared whatever made their hashes. */
function text(list: readonly JournalRecord[]): string[] {
  return list.map((entry) =>
    JSON.stringify({ ...entry, ...('hash' in entry && { hash: [...entry.hash] }) }),
  )
}

describe('a journal', () => {
  test('reads back alike when it was written in parts', () => {
    fc.assert(
      fc.property(records, records, (first, second) => {
        const header = encodeJournalHeader(digest, layout)
        const start = Buffer.concat([header, encodeJournalRecords(first, header, headerBytes)])
        const whole = Buffer.concat([start, encodeJournalRecords(second, header, start.byteLength)])
        assert.deepEqual(whole, encode([...first, ...second]))
      }),
      fuzz,
    )
  })

  test('cut at any byte, it has the records that are whole (fuzz)', () => {
    fc.assert(
      fc.property(records, (list) => {
        const bytes = encode(list)
        for (let length = 0; length <= bytes.byteLength; length++) {
          const journal = decodeJournal(bytes.subarray(0, length))
          if (length < headerBytes) {
            assert.equal(journal, undefined)
            continue
          }
          const whole = Math.floor((length - headerBytes) / recordBytes)
          assert.deepEqual(text(journal?.records ?? []), text(list.slice(0, whole)))
          assert.equal(journal?.endBytes, headerBytes + whole * recordBytes)
        }
      }),
      { ...fuzz, numRuns: Math.ceil(fuzz.numRuns / 5) },
    )
  })

  test('with any bit flipped, it ends before the record that is damaged, or is none (fuzz)', () => {
    fc.assert(
      fc.property(records, fc.nat(), fc.nat(7), (list, place, bit) => {
        const bytes = encode(list)
        const at = place % bytes.byteLength
        bytes[at] = (bytes[at] ?? 0) ^ (1 << bit)
        const journal = decodeJournal(bytes)
        if (at < headerBytes) return assert.equal(journal, undefined)
        const damaged = Math.floor((at - headerBytes) / recordBytes)
        assert.deepEqual(text(journal?.records ?? []), text(list.slice(0, damaged)))
      }),
      fuzz,
    )
  })

  test('is none when a newer version wrote it', () => {
    const bytes = encode([{ type: 'clean' }])
    bytes[5] = 2
    assert.equal(decodeJournal(bytes), undefined)
  })

  test('takes no record of another journal', () => {
    const header = encodeJournalHeader(digestOf(Buffer.from('another blob')), layout)
    const foreign = encodeJournalRecords([{ type: 'private' }], header, headerBytes)
    const journal = decodeJournal(Buffer.concat([encodeJournalHeader(digest, layout), foreign]))
    assert.deepEqual(journal?.records, [])
  })

  test('takes no record of a piece that the blob does not have', () => {
    const outside = { type: 'dropped', piece: layout.pieceCount } as const
    const last = { type: 'dropped', piece: layout.pieceCount - 1 } as const
    assert.deepEqual(decodeJournal(encode([last, outside, last]))?.records, [last])
  })

  test('takes no record from another place', () => {
    const bytes = encode([{ type: 'private' }, { type: 'clean' }])
    const swapped = Buffer.concat([
      bytes.subarray(0, headerBytes),
      bytes.subarray(headerBytes + recordBytes),
      bytes.subarray(headerBytes, headerBytes + recordBytes),
    ])
    assert.deepEqual(decodeJournal(swapped)?.records, [])
  })
})

describe('replayJournal', () => {
  test('counts the last word on each piece', () => {
    fc.assert(
      fc.property(records, (list) => {
        const state = replayJournal({ layout, records: list })
        const last = new Map<number, JournalRecord>()
        for (const entry of list) if ('piece' in entry) last.set(entry.piece, entry)
        for (let index = 0; index < layout.pieceCount; index++) {
          const word = last.get(index)
          const isStored = word?.type === 'stored'
          assert.equal(state.stored.has(index), isStored)
          assert.equal(state.fromOrigin.has(index), isStored && word.fromOrigin)
          if (isStored)
            assert.deepEqual(
              Buffer.from(state.hashes.slice(index * 32, (index + 1) * 32)),
              Buffer.from(word.hash),
            )
        }
        assert.equal(
          state.private,
          list.some(({ type }) => type === 'private'),
        )
        assert.equal(state.clean, list.at(-1)?.type === 'clean')
      }),
      fuzz,
    )
  })
})

describe('bytesOf', () => {
  test('counts the short last piece as it is', () => {
    const cut = pieceLayout(1024 * 1024 + 5)
    const { stored } = replayJournal({ layout: cut, records: [] })
    assert.equal(bytesOf(stored, cut), 0)
    stored.add(cut.pieceCount - 1)
    assert.equal(bytesOf(stored, cut), 5)
    stored.fill()
    assert.equal(bytesOf(stored, cut), cut.sizeBytes)
  })
})
