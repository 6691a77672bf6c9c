import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { labAddress } from './net/lab.ts'

describe('labAddress', () => {
  test('is private, and of one network for all hosts of it', () => {
    assert.equal(labAddress(0, 0), '10.77.0.1')
    assert.equal(labAddress(0, 249), '10.77.0.250')
    assert.equal(labAddress(0, 250), '10.77.1.1')
    assert.equal(labAddress(1, 3), '10.78.0.4')
  })

  test('is different for each of a thousand hosts', () => {
    const addresses = Array.from({ length: 1000 }, (_, host) => labAddress(0, host))
    assert.equal(new Set(addresses).size, 1000)
  })
})
