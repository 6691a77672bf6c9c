import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'vitest'
import { commonFlags, configureFlags, envName, grantFlags, mirrorFlags, toFlag } from '../../src/cli/flags.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/cli.md'), 'utf8')
const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8')

describe('docs/cli.md', () => {
  for (const { name, value } of [toFlag, ...mirrorFlags, ...configureFlags, ...commonFlags]) {
    test(`has --${name}${value ? ` ${value}` : ''} and its variable`, () => {
      const written = value?.replaceAll('|', '\\|')
      assert.match(page, new RegExp(`--${name}\\b`))
      assert.ok(page.includes(`\`${envName(name)}\``))
      // The three parts of a location share a row, and one name for their value.
      if (written && !['region', 'zone'].includes(name)) assert.ok(page.includes(`--${name} ${written}\``), written)
    })
  }

  test('has the flags of grant', () => {
    for (const { name, value } of grantFlags) assert.ok(page.includes(`--${name}${value ? ` ${value}` : ''}\``), name)
  })

  test('describes every event that the program prints', () => {
    const source = readFileSync(join(import.meta.dirname, '../../src/cli/cli-event.ts'), 'utf8')
    const events = [...source.matchAll(/readonly event: '(\w+)'/g)].map((match) => match[1] ?? '')
    assert.ok(events.length >= 6)
    for (const event of events) assert.ok(page.includes(`| \`${event}\` |`), event)
  })
})

describe('README', () => {
  test('names every flag', () => {
    for (const { name } of [toFlag, ...commonFlags]) assert.ok(readme.includes(`--${name}`), name)
  })
})
