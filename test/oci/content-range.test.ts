import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { parseContentRange, parseRange, printRange } from '../../src/oci/content-range.ts'
import { fuzzRuns } from '../support/fuzz.ts'

describe('parseRange of 100 bytes', () => {
  const table: [header: string, ranges: [number, number][] | undefined][] = [
    ['bytes=0-9', [[0, 10]]],
    ['Bytes=90-', [[90, 10]]],
    ['bytes=-5', [[95, 5]]],
    ['bytes=-500', [[0, 100]]],
    ['bytes=0-999', [[0, 100]]],
    ['bytes=99-99', [[99, 1]]],
    ['bytes=0-0, 50-59 ,-1', [[0, 1], [50, 10], [99, 1]]],
    ['bytes=100-', []],
    ['bytes=-0', []],
    ['bytes=100-, 0-0', [[0, 1]]],
    ['bytes=9-0', undefined],
    ['bytes=-', undefined],
    ['bytes=', undefined],
    ['bytes=a-b', undefined],
    ['bytes=0-9,', undefined],
    ['bytes=1 -2', undefined],
    ['bytes=0-99999999999999999999', undefined],
    ['items=0-9', undefined],
    ['', undefined],
    [`bytes=${'0-0,'.repeat(64)}0-0`, undefined],
  ]
  for (const [header, ranges] of table) {
    test(`${header.slice(0, 40) || 'nothing'} asks for ${JSON.stringify(ranges) ?? 'nothing that is understood'}`, () => {
      assert.deepEqual(parseRange(header, 100), ranges?.map(([offset, length]) => ({ offset, length })))
    })
  }

  test('an empty blob has no satisfiable range', () => {
    assert.deepEqual(parseRange('bytes=0-', 0), [])
    assert.deepEqual(parseRange('bytes=-5', 0), [])
  })

  test('a printed range reads back', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat().map((n) => n + 1), (offset, length) => {
        assert.deepEqual(parseRange(printRange({ offset, length }), offset + length), [{ offset, length }])
        assert.deepEqual(parseRange(printRange({ offset }), offset + length), [{ offset, length }])
      }),
      fuzzRuns(10_000),
    )
  })
})

describe('parseContentRange', () => {
  const table: [header: string | undefined, expected: ReturnType<typeof parseContentRange>][] = [
    ['bytes 0-9/100', { range: { offset: 0, length: 10 }, sizeBytes: 100 }],
    ['bytes 90-99/*', { range: { offset: 90, length: 10 }, sizeBytes: undefined }],
    ['bytes */100', { range: undefined, sizeBytes: 100 }],
    ['BYTES 0-0/1', { range: { offset: 0, length: 1 }, sizeBytes: 1 }],
    ['bytes 0-100/100', undefined],
    ['bytes 9-0/100', undefined],
    ['bytes */*', undefined],
    ['bytes 0-9', undefined],
    ['bytes=0-9/100', undefined],
    ['items 0-9/100', undefined],
    ['bytes 0-9007199254740992/*', undefined],
    ['', undefined],
    [undefined, undefined],
  ]
  for (const [header, expected] of table) {
    test(`${header || 'nothing'} reads as ${JSON.stringify(expected) ?? 'garbage'}`, () => {
      assert.deepEqual(parseContentRange(header), expected)
    })
  }
})
