import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { parseRetryAfter } from '../../src/oci/retry-after.ts'

const now = Date.UTC(2026, 0, 15, 12, 0, 0)

describe('parseRetryAfter', () => {
  const table: [header: string | undefined, ms: number | undefined][] = [
    ['0', 0],
    ['5', 5000],
    [' 5 ', 5000],
    ['60', 60_000],
    ['61', 60_000],
    ['1000000000', 60_000],
    ['99999999999999999999999999999999', 60_000],
    ['Thu, 15 Jan 2026 12:00:07 GMT', 7000],
    ['Thu, 15 Jan 2026 13:00:00 GMT', 60_000],
    ['Thu, 15 Jan 2026 11:00:00 GMT', 0],
    ['Thursday, 15-Jan-26 12:00:07 GMT', 7000],
    ['-5', undefined],
    ['1.5', undefined],
    ['1e3', undefined],
    ['5 seconds', undefined],
    ['soon', undefined],
    ['Thursday', undefined],
    ['2026-01-15', undefined],
    ['', undefined],
    [undefined, undefined],
  ]
  for (const [header, ms] of table) {
    test(`${header || 'nothing'} is ${ms === undefined ? 'garbage' : `${ms} ms`}`, () => {
      assert.equal(parseRetryAfter(header, now), ms)
    })
  }
})
