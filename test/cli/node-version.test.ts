import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { nodeVersionProblem } from '../../src/cli/node-version.ts'

describe('nodeVersionProblem', () => {
  for (const version of ['22.19.0', '22.20.1', '23.0.0', '24.21.0', '30.1.2']) {
    test(`${version} will do`, () => assert.equal(nodeVersionProblem(version), undefined))
  }
  for (const version of ['18.20.4', '20.20.2', '22.18.9']) {
    test(`${version} is named as too old`, () => {
      assert.match(nodeVersionProblem(version) ?? '', new RegExp(`needs Node 22\\.19 or later and runs on ${version}`))
    })
  }
})
