import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { unifiedDiff } from '../../src/cli/unified-diff.ts'

describe('unifiedDiff', () => {
  test('shows what changes with three lines around it', () => {
    const before = ['1', '2', '3', '4', '5', '6', '7', '8', '9'].join('\n')
    assert.equal(
      unifiedDiff('/etc/x', before, before.replace('5', 'five\nand a half')),
      '--- /etc/x\n+++ /etc/x\n@@ -2,7 +2,8 @@\n 2\n 3\n 4\n-5\n+five\n+and a half\n 6\n 7\n 8\n',
    )
  })

  test('shows files that come and go, and a last line without an end', () => {
    assert.equal(unifiedDiff('/x', undefined, 'a\n'), '--- /dev/null\n+++ /x\n@@ -0,0 +1,1 @@\n+a\n')
    assert.equal(unifiedDiff('/x', 'a', undefined), '--- /x\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-a\n\\ No newline at end of file\n')
  })

  test('holds all that is needed to make one text of the other', () => {
    const text = fc.array(fc.constantFrom('a\n', 'b\n', '\n', 'a\r\n'), { maxLength: 12 }).map((lines) => lines.join(''))
    fc.assert(
      fc.property(text, text, fc.boolean(), (before, after, cut) => {
        const now = cut ? after.replace(/\n$/, '') : after
        assert.equal(patched(before, unifiedDiff('/x', before, now)), now)
      }),
    )
  })
})

/** What `patch` would make of a text. */
function patched(before: string, diff: string): string {
  const lines = before.match(/[^\n]*\n/g) ?? []
  const [, , head = '', ...body] = diff.split(/(?<=\n)/)
  const [, from = '', count = ''] = /^@@ -(\d+),(\d+) /.exec(head) ?? []
  const start = Number(count) === 0 ? Number(from) : Number(from) - 1
  const kept = body.filter((line) => line.startsWith(' ') || line.startsWith('-')).map((line) => line.slice(1))
  assert.deepEqual(lines.slice(start, start + Number(count)), kept)
  const made = body
    .map((line, index) => (body[index + 1]?.startsWith('\\') ? line.replace(/\n$/, '') : line))
    .filter((line) => line.startsWith(' ') || line.startsWith('+'))
    .map((line) => line.slice(1))
  return [...lines.slice(0, start), ...made, ...lines.slice(start + Number(count))].join('')
}
