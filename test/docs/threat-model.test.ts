import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const text = readFileSync(join(root, 'docs/threat-model.md'), 'utf8')

/** What a document names: test files, each with titles of tests in it. */
function namedTests(markdown: string): { file: string; title: string }[] {
  const flat = markdown.replaceAll(/\s+/g, ' ')
  return [...flat.matchAll(/`(test\/[^`]+\.test\.ts)`: ((?:"[^"]+"(?:; )?)+)/g)].flatMap(([, file = '', titles = '']) =>
    [...titles.matchAll(/"([^"]+)"/g)].map(([, title = '']) => ({ file, title })),
  )
}

/** Titles of the tests of a file, as they are written there. */
function titlesOf(file: string): Set<string> {
  const source = readFileSync(join(root, file), 'utf8')
  const titles = source.matchAll(/\b(?:test|it)(?:\.\w+\([^\n]*?\))?\(\s*(?:'((?:[^'\\]|\\.)*)'|`([^`]*)`|"([^"]*)")/g)
  return new Set([...titles].map((match) => (match[1] ?? match[2] ?? match[3] ?? '').replaceAll(/\\(.)/g, '$1')))
}

/** Rows of the tables below a heading. */
function rowsBelow(heading: string): string[] {
  const section = text.split(/^## /m).find((part) => part.startsWith(heading)) ?? ''
  return section.split('\n').filter((line) => line.startsWith('| ')).slice(1)
}

describe('the threat model', () => {
  for (const { file, title } of namedTests(text)) {
    test(`names a test that is there: ${file}: ${title}`, () => {
      assert.ok(existsSync(join(root, file)), file)
      assert.ok(titlesOf(file).has(title), `${file} has no test ${JSON.stringify(title)}`)
    })
  }

  test('has a test in every row', () => {
    const rows = [...rowsBelow('Threats'), ...rowsBelow('What was found')]
    assert.ok(rows.length >= 45, `${rows.length} rows`)
    assert.deepEqual(rows.filter((row) => namedTests(row).length === 0), [])
  })

  test('has all nineteen findings', () => {
    assert.deepEqual(rowsBelow('What was found').map((row) => Number(row.split('|')[1])), Array.from({ length: 19 }, (_, index) => index + 1))
  })
})
