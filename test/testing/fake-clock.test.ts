import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { sleep } from '../../src/core/clock.ts'
import { fakeClock } from '../../src/testing/fake-clock.ts'

describe('fakeClock', () => {
  test('both of its times stand still until they are advanced', () => {
    const clock = fakeClock(1_700_000_000_000)
    assert.deepEqual([clock.monotonicMs(), clock.wallMs()], [0, 1_700_000_000_000])
    clock.advance(1500)
    assert.deepEqual([clock.monotonicMs(), clock.wallMs()], [1500, 1_700_000_001_500])
  })

  test('timers run once, in the order in which they are due, each at its own time', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 20 }),
        fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 5 }),
        (delaysMs, stepsMs) => {
          const clock = fakeClock()
          const ran: { index: number; atMs: number }[] = []
          delaysMs.forEach((delayMs, index) => {
            clock.after(delayMs, () => ran.push({ index, atMs: clock.monotonicMs() }))
          })
          for (const stepMs of stepsMs) clock.advance(stepMs)
          const expected = delaysMs
            .map((atMs, index) => ({ index, atMs }))
            .filter(({ atMs }) => atMs <= clock.monotonicMs())
            .toSorted((a, b) => a.atMs - b.atMs || a.index - b.index)
          assert.deepEqual(ran, expected)
          assert.equal(clock.timerCount, delaysMs.length - expected.length)
        },
      ),
      { seed: 7 },
    )
  })

  test('a timer set by a timer runs in the same advance when it is due in it', () => {
    const clock = fakeClock()
    const ranAtMs: number[] = []
    const again = (): void => {
      ranAtMs.push(clock.monotonicMs())
      clock.after(10, again)
    }
    clock.after(10, again)
    clock.advance(35)
    assert.deepEqual(ranAtMs, [10, 20, 30])
  })

  test('a cancelled timer does not run, also when a timer due with it cancels it', () => {
    const clock = fakeClock()
    const ran: string[] = []
    clock.after(5, () => cancelLater())
    const cancelLater = clock.after(5, () => ran.push('later'))
    clock.after(5, () => ran.push('first'))()
    clock.advance(10)
    assert.deepEqual(ran, [])
    assert.equal(clock.timerCount, 0)
  })

  test('advanceAsync lets what awaits a timer set the next one', async () => {
    const clock = fakeClock()
    const wokeAtMs: number[] = []
    const loop = async (): Promise<void> => {
      for (let round = 0; round < 3; round++) {
        await sleep(clock, 100)
        wokeAtMs.push(clock.monotonicMs())
      }
    }
    const looping = loop()
    await clock.advanceAsync(300)
    await looping
    assert.deepEqual(wokeAtMs, [100, 200, 300])
  })
})
