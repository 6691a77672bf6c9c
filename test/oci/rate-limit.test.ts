import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { parseRateLimit, type RateLimitHeaders, type SpentLimit } from '../../src/oci/rate-limit.ts'
import { fuzz } from './fuzz.ts'

const now = Date.UTC(2026, 0, 15, 12, 0, 0)

function parse(headers: Partial<RateLimitHeaders>): SpentLimit | undefined {
  return parseRateLimit({ limit: [], remaining: [], reset: [], ...headers }, now)
}

describe('parseRateLimit', () => {
  const old: [remaining: string | undefined, reset: string | undefined, resetMs: number | undefined | 'room', windowMs?: number][] = [
    ['0', '30', 30_000],
    [' 0 ', ' 30 ', 30_000],
    ['0', '0', 0],
    ['0', '3600', 60_000],
    ['0', String(now / 1000 + 7), 7000],
    ['0', String(now / 1000 + 7000), 60_000],
    ['0', String(now / 1000 - 7), 0],
    ['0', '30;w=60', 30_000],
    ['0', undefined, undefined],
    ['0', 'soon', undefined],
    ['0', '-5', undefined],
    ['0;w=21600', undefined, undefined, 60_000],
    ['0;w=20', undefined, undefined, 20_000],
    ['0 ; W = 20', undefined, undefined, 20_000],
    ['0;comment="a;w=9";w=20', undefined, undefined, 20_000],
    ['0;w=20', '5', 5000, 20_000],
    ['0;w=soon', undefined, undefined],
    ['76;w=21600', undefined, 'room'],
    ['1', '30', 'room'],
    ['-1', '30', 'room'],
    ['0.5', '30', 'room'],
    ['none', '30', 'room'],
    ['', '30', 'room'],
    [undefined, '30', 'room'],
    [undefined, undefined, 'room'],
  ]
  for (const [remaining, reset, resetMs, windowMs] of old) {
    test(`remaining ${remaining}, reset ${reset}: ${resetMs === 'room' ? 'takes more' : `none for ${resetMs} ms`}`, () => {
      const headers = { remaining: remaining === undefined ? [] : [remaining], reset: reset === undefined ? [] : [reset] }
      assert.deepEqual(parse(headers), resetMs === 'room' ? undefined : { resetMs, windowMs })
    })
  }

  const structured: [header: string, resetMs: number | undefined | 'room', windowMs?: number][] = [
    ['"default";r=0;t=30', 30_000],
    ['default;r=0;t=30', 30_000],
    ['"default" ; t=30 ; r=0', 30_000],
    ['"default";r=0;t=3600', 60_000],
    ['"default";r=0', undefined],
    ['"default";r=0;w=20', undefined, 20_000],
    ['"default";r=50;t=30', 'room'],
    ['"default";t=30', 'room'],
    ['"default";r=0;t=30;pk=:cHsdsRa894==:', 30_000],
    ['"default";pk="a,b;r=1\\";r=2";r=0;t=30', 30_000],
    ['"burst";r=0;t=5, "daily";r=500;t=3000', 5000],
    ['"burst";r=0;t=5,"hourly";r=0;t=20', 20_000],
    ['"burst";r=3;t=5, "hourly";r=0;t=20', 20_000],
    ['"r=0;t=30"', 'room'],
    ['"never ends;r=0;t=30', 30_000],
    ['limit=100, remaining=0, reset=30', 30_000],
    ['limit=100;w=60, remaining=0, reset=30', 30_000],
    ['remaining=0;w=60, reset=30;unit=s', 30_000],
    ['reset = 30 , remaining = 0', 30_000],
    ['Limit=100,Remaining=0,Reset=90', 60_000],
    ['limit=100, remaining=0', undefined],
    ['limit=100, remaining=50, reset=30', 'room'],
    ['limit=0, reset=30', 'room'],
    [`${'x'.repeat(2000)}, "default";r=0;t=30`, 'room'],
    ['', 'room'],
    [',;,=,', 'room'],
  ]
  for (const [header, resetMs, windowMs] of structured) {
    test(`${header.slice(0, 60) || 'nothing'}: ${resetMs === 'room' ? 'takes more' : `none for ${resetMs} ms`}`, () => {
      assert.deepEqual(parse({ limit: [header] }), resetMs === 'room' ? undefined : { resetMs, windowMs })
    })
  }

  test('quotas on several lines count together, and with those in headers of their own', () => {
    assert.deepEqual(parse({ limit: ['"a";r=0;t=5', '"b";r=0;t=20'], remaining: ['0'], reset: ['10'] }), { resetMs: 20_000, windowMs: undefined })
    assert.deepEqual(parse({ limit: ['limit=9', 'remaining=0', 'reset=4'], remaining: ['7'] }), { resetMs: 4000, windowMs: undefined })
  })

  test('of hundreds of quotas some are read', () => {
    const many = Array.from({ length: 40 }, (_, index) => `a;r=0;t=${index}`).join(',')
    assert.deepEqual(parse({ limit: [many] }), { resetMs: 15_000, windowMs: undefined })
  })

  test('what is printed is read', () => {
    const seconds = fc.integer({ min: 0, max: 60 })
    fc.assert(
      fc.property(seconds, fc.integer({ min: 0, max: 3 }), fc.string({ unit: 'grapheme-ascii', maxLength: 20 }), (reset, remaining, name) => {
        const expected = remaining === 0 ? { resetMs: reset * 1000, windowMs: undefined } : undefined
        const quoted = `"${name.replaceAll(/["\\]/g, '\\$&')}"`
        assert.deepEqual(parse({ limit: [`${quoted};r=${remaining};t=${reset}`] }), expected)
        assert.deepEqual(parse({ limit: [`limit=9, remaining=${remaining}, reset=${reset}`] }), expected)
        assert.deepEqual(parse({ remaining: [`${remaining}`], reset: [`${reset}`] }), expected)
      }),
      fuzz,
    )
  })

  test('the worst quotes are read in no time', () => {
    const started = performance.now()
    const worst = '\\"'.repeat(500_000)
    parse({ limit: [worst], remaining: [worst], reset: [worst] })
    assert.ok(performance.now() - started < 1000)
  })
})
