import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { Campaign } from './campaign.ts'
import { fingerprintOf } from './run-schedule.ts'
import { drawSchedule } from './schedule.ts'

/** Fewer and smaller swarms than `npm run chaos` has: these run with every change. */
const limits = { mostNodes: 6, mostPieces: 24 }

describe('small swarms, in virtual time, of production sessions and trackers', () => {
  test('keep what is promised when fetchers and trackers die after any event', () => {
    const campaign = new Campaign(limits)
    campaign.everyEvent({ schedules: 400, seed: 1 })
    assert.deepEqual(campaign.failures, [])
  })

  test('keep what is promised when nodes die, networks fall apart, views disagree and trackers lie', () => {
    const campaign = new Campaign(limits)
    campaign.drawn({ schedules: 600, seed: 1 })
    assert.deepEqual(campaign.failures, [])
  })

  test('do the same for the same seed, and something else for another', () => {
    const seeds = Array.from({ length: 10 }, (_, seed) => seed)
    const fingerprints = (): number[] => seeds.map((seed) => fingerprintOf(drawSchedule(seed, limits)))
    assert.deepEqual(fingerprints(), fingerprints())
    assert.equal(new Set(fingerprints()).size, seeds.length)
  })
})
