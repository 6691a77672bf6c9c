/**
 * Seeded fault schedules over small swarms in virtual time: nodes run the production session, tracker, walk and link book, and what
 * the documents promise is checked after every event. What fails says which schedule it was, and fails again with it, in the same way.
 *
 *     npm run chaos -- --schedules 10000 --seed 1 --json
 *     npm run chaos -- --short
 *     npm run chaos -- --replay '{"shape":…}'
 *
 * What is what: `schedule.ts` draws what goes wrong, `shape.ts` the swarm; `run-schedule.ts` runs one and checks it, with `watch.ts`
 * between any two events; `promises.ts` says what is promised; `chaos-swarm.ts` is the network, `chaos-tracker.ts` and `chaos-view.ts`
 * a node's tracker and whom it knows.
 */
import { parseArgs } from 'node:util'
import { Campaign } from './campaign.ts'

const { values } = parseArgs({
  options: {
    schedules: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    replay: { type: 'string' },
    short: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const count = Number(values.short ? 1000 : values.schedules)
const seed = Number(values.seed)
const campaign = new Campaign({ mostNodes: 8, mostPieces: 64 })
if (values.replay === undefined) {
  campaign.everyEvent({ schedules: Math.floor(count / 5), seed })
  campaign.drawn({ schedules: count - campaign.runs, seed })
} else campaign.run(JSON.parse(values.replay))
for (const failure of campaign.failures) console.error(failure)
console.log(`${campaign.runs} schedules, ${campaign.failures.length} of which failed`)
if (values.json) console.log(JSON.stringify(campaign.figures()))
if (campaign.failures.length > 0) process.exitCode = 1
