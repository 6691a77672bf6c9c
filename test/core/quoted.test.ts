import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { quoted } from '../../src/core/quoted.ts'

describe('quoted', () => {
  const table: [value: unknown, shown: string][] = [
    ['alpine', '"alpine"'],
    ['say "hi"', '"say \\"hi\\""'],
    ['\u001b[2J\u202e\u2028', '"\ufffd[2J\ufffd\ufffd"'],
    ['x'.repeat(101), `"${'x'.repeat(100)}"…`],
    [`${'x'.repeat(99)}\u{1f600}`, `"${'x'.repeat(99)}\ufffd"…`],
    ['user:secret@registry.example/app', '"[redacted]@registry.example/app"'],
    ['https://secret@registry.example/app', '"https://[redacted]@registry.example/app"'],
    ['app:v1@sha256:00', '"app:v1@sha256:00"'],
    ['registry.example/app@x', '"registry.example/app@x"'],
    [5, '5'],
    [null, 'null'],
    [undefined, 'undefined'],
    [{ toString: 1 }, 'an object'],
    [[1], 'a list'],
  ]
  for (const [value, shown] of table) test(`shows ${shown.slice(0, 30)}`, () => assert.equal(quoted(value), shown))
})
