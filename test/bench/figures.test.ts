import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { lowerBoundMs, median, percentile } from './support/figures.ts'
import { parseCount, parseRate, parseSize } from './support/units.ts'

const mib = 1024 ** 2

describe('percentile', () => {
  test('is one of the values, by nearest rank', () => {
    const values = [40, 10, 30, 20]
    assert.equal(percentile(values, 0.5), 20)
    assert.equal(percentile(values, 0.51), 30)
    assert.equal(percentile(values, 0.99), 40)
    assert.equal(percentile(values, 0), 10)
  })

  test('of nothing is no number', () => {
    assert.ok(Number.isNaN(percentile([], 0.5)))
  })
})

describe('median', () => {
  test('is the middle value, or the mean of the two middle ones', () => {
    assert.equal(median([5, 1, 3]), 3)
    assert.equal(median([5, 1, 3, 2]), 2.5)
    assert.equal(median([7]), 7)
  })
})

describe('lowerBoundMs', () => {
  const crowd = { sizeBytes: 32 * mib, hostCount: 16, originBitsPerSecond: 50e6, hostBitsPerSecond: 50e6 }
  const sizeBits = 8 * 32 * mib
  const wholeMs = (changed: Partial<typeof crowd>): number => Math.round(lowerBoundMs({ ...crowd, ...changed }))

  test('is what one link takes where all links are equal', () => {
    assert.equal(wholeMs({}), 5369)
  })

  test('is what the origin takes to send each byte once where it is slow', () => {
    assert.equal(wholeMs({ originBitsPerSecond: 10e6 }), 26_844)
  })

  test('is what a host takes to receive where hosts are slow', () => {
    assert.equal(wholeMs({ hostBitsPerSecond: 5e6 }), 53_687)
  })

  test('is never below what all of them together take to send all copies', () => {
    const many = { ...crowd, hostCount: 1000, originBitsPerSecond: 1e9, hostBitsPerSecond: 50e6 }
    assert.ok(lowerBoundMs(many) >= (1000 * 1000 * sizeBits) / (1e9 + 1000 * 50e6))
    assert.ok(lowerBoundMs({ ...many, extraUploaders: 10 }) <= lowerBoundMs(many))
  })
})

describe('units', () => {
  test('are those of sizes and of links', () => {
    assert.equal(parseSize('32MiB'), 32 * mib)
    assert.equal(parseSize('1.5KiB'), 1536)
    assert.equal(parseRate('50mbit'), 50e6)
    assert.equal(parseRate('1gbit'), 1e9)
    assert.equal(parseCount('16', 1), 16)
  })

  test('are not guessed', () => {
    for (const text of ['32', '32MB', 'MiB', '']) assert.throws(() => parseSize(text), RangeError)
    for (const text of ['50', '50MiB', '-1mbit']) assert.throws(() => parseRate(text), RangeError)
    for (const text of ['0', '1.5', 'x']) assert.throws(() => parseCount(text, 1), RangeError)
  })
})
