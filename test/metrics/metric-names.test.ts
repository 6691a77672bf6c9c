import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'vitest'
import { metricNames, type MetricFacts } from '../../src/metrics/metric-names.ts'

const facts: readonly (readonly [string, MetricFacts])[] = Object.entries(metricNames)

describe('metricNames', () => {
  test('counters, and no others, end in _total', () => {
    for (const [name, { kind }] of facts) assert.equal(kind === 'counter', name.endsWith('_total'), name)
  })

  test('docs/metrics.md lists exactly these', () => {
    const text = readFileSync(join(import.meta.dirname, '../../docs/metrics.md'), 'utf8')
    const rows = text.split('\n').filter((line) => line.startsWith('| `'))
    const expected = facts.map(([name, { kind, labels, help }]) => {
      const names = labels.map((label) => `\`${label}\``).join(', ')
      return `| \`${name}\` | ${kind} | ${names} | ${help} |`
    })
    assert.deepEqual(rows, expected)
  })
})
