import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { Campaign } from './campaign.ts'
import { testLimits } from './schedule.ts'

/** With every change; `npm run lab -- --liars 200` has more. */
const runs = 10

describe('honest nodes with a healthy origin', () => {
  test.each([0.3, 0.6])('all get what they want, ban no honest peer and waste no more than they may when %d of all peers lie', async (part) => {
    const campaign = new Campaign(testLimits)
    await campaign.runAmongLiars(1, runs, part)
    assert.deepEqual(campaign.failures, [])
  })
})
