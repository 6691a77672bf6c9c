import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { askedAbsenceMs } from '../../src/oci/asked-absence.ts'

const now = Date.UTC(2026, 0, 15, 12, 0, 0)

describe('askedAbsenceMs', () => {
  const table: [what: string, statuses: number[], headers: Record<string, string>, ms: number | undefined][] = [
    ['a refusal with Retry-After', [429, 503], { 'retry-after': '9' }, 9000],
    ['an answer that is no refusal, with Retry-After', [200, 206, 307, 401, 404, 500], { 'retry-after': '9' }, undefined],
    ['any answer that was the last one', [200, 206, 307, 404, 429, 503], { 'ratelimit-remaining': '0', 'ratelimit-reset': '7' }, 7000],
    ['any answer that was the last one, newly', [200, 429], { ratelimit: '"default";r=0;t=7' }, 7000],
    ['a refusal with both', [429, 503], { 'retry-after': '9', ratelimit: '"default";r=0;t=7' }, 9000],
    ['a refusal with both, one of them garbage', [429], { 'retry-after': 'whenever', ratelimit: '"default";r=0;t=7' }, 7000],
    ['an answer before which there was room', [200, 429], { ratelimit: '"default";r=1;t=7' }, undefined],
    ["Docker Hub's last answer", [200], { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '0;w=21600' }, undefined],
    ["Docker Hub's refusal", [429], { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '0;w=21600' }, 60_000],
    ["Docker Hub's refusal after which there is room again", [429], { 'ratelimit-remaining': '76;w=21600' }, undefined],
    ['an outage after the last answer of a window', [503], { 'ratelimit-remaining': '0;w=21600' }, undefined],
    ['an answer that says nothing', [200, 429, 503], {}, undefined],
  ]
  for (const [what, statuses, headers, ms] of table) {
    for (const status of statuses) {
      test(`${what} (${status}) ${ms === undefined ? 'asks for nothing' : `asks for ${ms} ms`}`, () => {
        const answer = { status, headers: (name: string) => (headers[name] === undefined ? [] : [headers[name]]) }
        assert.equal(askedAbsenceMs(answer, now), ms)
      })
    }
  }
})
