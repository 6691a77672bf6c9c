import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { silentLogger } from '../../src/core/log.ts'
import { seededRandom } from '../../src/core/random.ts'
import { Repeater, type RepeaterTask } from '../../src/discovery/repeater.ts'
import { fakeClock, type FakeClock } from '../../src/testing/fake-clock.ts'

const minuteMs = 60_000

function repeat(clock: FakeClock, attempt: RepeaterTask['attempt'], seed = 1): Repeater {
  const context = { clock, random: seededRandom(seed), logger: silentLogger }
  return new Repeater(context, { name: 'a test', periodMs: 10 * minuteMs, maxRetryMs: minuteMs, attempt })
}

/** The times between attempts that fail, or succeed, for ever. */
async function pausesMs(outcome: () => Promise<boolean>, durationMs: number, seed?: number): Promise<number[]> {
  const clock = fakeClock()
  const atMs: number[] = []
  const repeater = repeat(clock, () => {
    atMs.push(clock.monotonicMs())
    return outcome()
  }, seed)
  await clock.advanceAsync(durationMs)
  await repeater.close()
  assert.equal(clock.timerCount, 0)
  return atMs.slice(1).map((time, index) => time - (atMs[index] ?? 0))
}

describe('Repeater', () => {
  test('failures are retried after one second, doubling to the maximum, half of it at random', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const pauses = await pausesMs(async () => false, 10 * minuteMs, seed)
        assert.ok(pauses.length >= 12)
        assert.ok(pauses.some((pauseMs, index) => pauseMs < Math.min(minuteMs, 1000 * 2 ** index) * 0.9))
        for (const [index, pauseMs] of pauses.entries()) {
          const fullMs = Math.min(minuteMs, 1000 * 2 ** index)
          assert.ok(pauseMs >= fullMs / 2 && pauseMs <= fullMs, `pause ${index} is ${pauseMs} ms`)
        }
      }),
      { seed: 5, numRuns: 50 },
    )
  })

  test('rejecting is failing', async () => {
    const pauses = await pausesMs(() => Promise.reject(new RangeError('no')), 3000)
    assert.ok(pauses.length >= 1 && pauses.every((pauseMs) => pauseMs <= 2000))
  })

  test('successes are repeated once a period, up to a tenth early', async () => {
    const pauses = await pausesMs(async () => true, 100 * minuteMs)
    assert.ok(pauses.length >= 10)
    for (const pauseMs of pauses) assert.ok(pauseMs >= 9 * minuteMs && pauseMs <= 10 * minuteMs)
  })

  test('a success starts the back-off anew', async () => {
    let count = 0
    const pauses = await pausesMs(async () => ++count === 6, 12 * minuteMs)
    assert.ok((pauses[4] ?? 0) >= 8000, 'the fifth failure is followed by 8 to 16 seconds')
    assert.ok((pauses[6] ?? Infinity) <= 1000, 'the first failure after the success by one')
  })

  test('waking it ends a back-off, and does not hasten what succeeded', async () => {
    const clock = fakeClock()
    let count = 0
    let outcome = false
    const repeater = repeat(clock, async () => {
      count++
      return outcome
    })
    await clock.advanceAsync(0)
    outcome = true
    repeater.wake()
    await clock.advanceAsync(0)
    assert.equal(count, 2)
    repeater.wake()
    await clock.advanceAsync(minuteMs)
    assert.equal(count, 2)
    await repeater.close()
  })

  test('waking it during an attempt that then fails is not lost', async () => {
    const clock = fakeClock()
    const first = Promise.withResolvers<boolean>()
    let count = 0
    const repeater = repeat(clock, () => (++count === 1 ? first.promise : Promise.resolve(true)))
    repeater.wake()
    first.resolve(false)
    await clock.advanceAsync(0)
    assert.equal(count, 2)
    await repeater.close()
  })

  test('waking it during an attempt that then succeeds changes nothing', async () => {
    const clock = fakeClock()
    const first = Promise.withResolvers<boolean>()
    let count = 0
    const repeater = repeat(clock, () => (++count === 1 ? first.promise : Promise.resolve(true)))
    repeater.wake()
    first.resolve(true)
    await clock.advanceAsync(minuteMs)
    assert.equal(count, 1)
    await repeater.close()
  })

  test('closing it aborts the attempt, does not wait for it, and leaves no timer', async () => {
    const clock = fakeClock()
    let seen: AbortSignal | undefined
    const repeater = repeat(clock, (signal) => {
      seen = signal
      return new Promise<never>(() => {})
    })
    await repeater.close()
    assert.equal(seen?.aborted, true)
    assert.equal(clock.timerCount, 0)
  })
})
