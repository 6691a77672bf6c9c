import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { Campaign } from './campaign.ts'
import { testLimits } from './schedule.ts'

/** A thousand schedules here and a thousand in the other file, so that two cores share them; `npm run lab` has more. */
const batches = Array.from({ length: 10 }, (_, batch) => 2 * 100_000 + batch * 100)

describe('production nodes under drawn faults', () => {
  test.each(batches)('keep the ten invariants in a hundred schedules from seed %i on', async (firstSeed) => {
    const campaign = new Campaign(testLimits)
    await campaign.run(firstSeed, 100)
    assert.deepEqual(campaign.failures, [])
  })
})
