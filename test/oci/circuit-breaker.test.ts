import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'vitest'
import { CircuitBreaker } from '../../src/oci/circuit-breaker.ts'

let breaker: CircuitBreaker
beforeEach(() => {
  breaker = new CircuitBreaker()
})

function fail(times: number, nowMs: number): void {
  for (let count = 0; count < times; count++) breaker.failed(nowMs)
}

describe('CircuitBreaker', () => {
  test('nine failures change nothing', () => {
    fail(9, 0)
    assert.equal(breaker.admit(0), 0)
  })

  test('ten in a row keep requests away for ten seconds', () => {
    fail(10, 5000)
    assert.equal(breaker.admit(5000), 10_000)
    assert.equal(breaker.admit(14_999), 1)
  })

  test('a success between them starts the count anew', () => {
    fail(9, 0)
    breaker.succeeded()
    fail(9, 0)
    assert.equal(breaker.admit(0), 0)
  })

  test('after ten seconds one request goes, and the others wait for it', () => {
    fail(10, 0)
    assert.equal(breaker.admit(10_000), 0)
    assert.ok(breaker.admit(10_000) > 0)
  })

  test('when that one succeeds, all go', () => {
    fail(10, 0)
    breaker.admit(10_000)
    breaker.succeeded()
    assert.equal(breaker.admit(10_001), 0)
    assert.equal(breaker.admit(10_001), 0)
  })

  test('when that one fails, ten more seconds pass', () => {
    fail(10, 0)
    breaker.admit(10_000)
    breaker.failed(11_000)
    assert.equal(breaker.admit(20_999), 1)
    assert.equal(breaker.admit(21_000), 0)
  })

  test('when that one is given up, another may go', () => {
    fail(10, 0)
    breaker.admit(10_000)
    breaker.abandoned()
    assert.equal(breaker.admit(10_000), 0)
  })
})
