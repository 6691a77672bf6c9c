import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { runSchedule } from './run-schedule.ts'
import { drawSchedule, testLimits } from './schedule.ts'

describe('a schedule', () => {
  test('does the same in twenty replays, whatever was run in between', async () => {
    const traces = new Set<number>()
    for (let replay = 0; replay < 20; replay++) {
      traces.add((await runSchedule(drawSchedule(4711, testLimits))).trace)
      await runSchedule(drawSchedule(replay, testLimits))
    }
    assert.equal(traces.size, 1)
  })

  test('is another one for another seed', async () => {
    const seeds = Array.from({ length: 10 }, (_, seed) => seed)
    const traces = new Set<number>()
    for (const seed of seeds) traces.add((await runSchedule(drawSchedule(seed, testLimits))).trace)
    assert.equal(traces.size, seeds.length)
  })
})
