import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { steadyClock } from '../../src/core/steady-clock.ts'
import { LabTime } from '../lab/lab-time.ts'
import { NodeLoop } from '../lab/node-loop.ts'

/** A process, and its clock; both begin at 0. */
function process(): { time: LabTime; loop: NodeLoop; clock: ReturnType<typeof steadyClock> } {
  const time = new LabTime()
  const loop = new NodeLoop(time, { monotonicMs: 0, wallMs: 0 })
  return { time, loop, clock: steadyClock(loop) }
}

describe('a steady clock', () => {
  test('goes as the clock under it does while timers come in time', async () => {
    const { time, clock } = process()
    const firedMs: number[] = []
    clock.after(300, () => firedMs.push(clock.monotonicMs()))
    await time.run(1000)
    assert.deepEqual(firedMs, [300])
    assert.equal(clock.monotonicMs(), 1000)
  })

  test('does not count the time in which the process did nothing', async () => {
    const { time, loop, clock } = process()
    const seenMs: number[] = []
    clock.after(100, () => seenMs.push(clock.monotonicMs()))
    clock.after(400, () => seenMs.push(clock.monotonicMs()))
    loop.block(600_000)
    await time.run(600_000)
    assert.deepEqual(seenMs, [100])
    assert.equal(clock.wallMs(), 600_000)
    await time.run(600_300)
    assert.deepEqual(seenMs, [100, 400])
  })

  test('counts what a busy process is late by', async () => {
    const { time, loop, clock } = process()
    const seenMs: number[] = []
    clock.after(100, () => seenMs.push(clock.monotonicMs()))
    loop.block(900)
    await time.run(2000)
    assert.deepEqual(seenMs, [900])
  })

  test('cancels as it should', async () => {
    const { time, clock } = process()
    clock.after(100, () => assert.fail('it was cancelled'))()
    await time.run(1000)
  })
})
