import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { growingWaits } from '../../src/oci/wait-options.ts'
import { ManualClock } from './manual-clock.ts'

describe('growingWaits', () => {
  test('tells of waits that end later than all before', () => {
    const clock = new ManualClock()
    const told: number[] = []
    const onWait = growingWaits(clock, (ms) => void told.push(ms))
    for (const ms of [5000, 5000, 4000]) onWait?.(ms)
    clock.advance(1000)
    onWait?.(4000.0001)
    onWait?.(4500)
    clock.advance(10_000)
    onWait?.(100)
    assert.deepEqual(told, [5000, 4500, 100])
  })

  test('nobody listens when nobody wants to', () => {
    assert.equal(growingWaits(new ManualClock(), undefined), undefined)
  })
})
