import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { planMultipart, planRange } from '../../src/mirror/range-plan.ts'
import { fuzzRuns } from '../support/fuzz.ts'

const etag = '"sha256:ab"'
const plan = (range: string, ifRange?: string) => planRange({ range, ifRange }, etag, 1000)
const one = (offset: number, length: number) => ({ kind: 'one', range: { offset, length } })

describe('planRange', () => {
  test('answers what can be answered', () => {
    assert.deepEqual(plan('bytes=0-0'), one(0, 1))
    assert.deepEqual(plan('bytes=5-'), one(5, 995))
    assert.deepEqual(plan('bytes=-100'), one(900, 100))
    assert.deepEqual(plan('bytes=990-5000'), one(990, 10))
    assert.deepEqual(plan('bytes=0-1,5-6'), { kind: 'several', ranges: [{ offset: 0, length: 2 }, { offset: 5, length: 2 }] })
  })

  test('ignores what is malformed', () => {
    for (const range of ['bytes=5-1', 'bytes=a-b', 'bytes=-', 'bytes=9999999999999999999-', 'items=0-1', 'bytes 0-1', `bytes=${'0-0,'.repeat(100)}0-0`]) {
      assert.deepEqual(plan(range), { kind: 'whole' }, range)
    }
  })

  test('has nothing beyond the end', () => {
    assert.deepEqual(plan('bytes=1000-'), { kind: 'none' })
    assert.deepEqual(plan('bytes=-0'), { kind: 'none' })
  })

  test('minds If-Range', () => {
    assert.deepEqual(plan('bytes=0-0', etag), one(0, 1))
    assert.deepEqual(plan('bytes=0-0', '"sha256:cd"'), { kind: 'whole' })
    assert.deepEqual(plan('bytes=0-0', `W/${etag}`), { kind: 'whole' })
  })

  test('sends nothing several times over', () => {
    assert.deepEqual(plan('bytes=0-,0-'), { kind: 'whole' })
  })
})

describe('planMultipart', () => {
  test('is as long as it says, and holds the ranges', () => {
    const range = fc.record({ offset: fc.nat(500), length: fc.integer({ min: 1, max: 400 }) })
    fc.assert(
      fc.property(fc.array(range, { minLength: 2, maxLength: 8 }), (ranges) => {
        const blob = Buffer.from(Array.from({ length: 1000 }, (_, index) => index % 251))
        const { parts, end, contentLength, contentType } = planMultipart(ranges, 'application/octet-stream', 1000, 'xyz')
        const body = Buffer.concat([...parts.flatMap(({ header, range: { offset, length } }) => [header, blob.subarray(offset, offset + length)]), end])
        assert.equal(body.byteLength, contentLength)
        assert.equal(contentType, 'multipart/byteranges; boundary=xyz')
        const read = body.toString('latin1').split('\r\n--xyz').slice(1, -1).map((part) => part.split('\r\n\r\n').slice(1).join('\r\n\r\n'))
        assert.deepEqual(read, ranges.map(({ offset, length }) => blob.subarray(offset, offset + length).toString('latin1')))
        assert.ok(body.toString('latin1').endsWith('\r\n--xyz--\r\n'))
      }),
      fuzzRuns(500),
    )
  })
})
