/**
 * Seeded fault schedules over production nodes in one process, on a virtual network and in virtual time: `lab.ts` says how, `schedule.ts`
 * what goes wrong, `run-schedule.ts` what must hold in each run. What fails says by which seed, and fails again with it, in the same way.
 *
 *     npm run lab -- --schedules 50000 --seed 1 --json
 *     npm run lab -- --short
 *     npm run lab -- --replay 4711
 *     npm run lab -- --liars 200    # so many swarms each in which 30 % and 60 % of all peers lie
 */
import { parseArgs } from 'node:util'
import { Campaign } from './campaign.ts'
import { runSchedule } from './run-schedule.ts'
import { drawSchedule } from './schedule.ts'

const { values } = parseArgs({
  options: {
    schedules: { type: 'string', default: '2000' },
    seed: { type: 'string', default: '1' },
    nodes: { type: 'string', default: '12' },
    pieces: { type: 'string', default: '64' },
    replay: { type: 'string' },
    liars: { type: 'string' },
    short: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const limits = { mostNodes: Number(values.nodes), mostPieces: Number(values.pieces) }
const campaign = new Campaign(limits)
const startedMs = performance.now()
if (values.liars !== undefined) {
  for (const part of [0.3, 0.6]) await campaign.runAmongLiars(Number(values.seed), Number(values.liars), part)
} else if (values.replay === undefined) await campaign.run(Number(values.seed), Number(values.short ? 200 : values.schedules))
else {
  const seed = Number(values.replay)
  const schedule = drawSchedule(seed, limits)
  const { trace, events, reads } = await runSchedule(schedule)
  console.log(JSON.stringify(schedule, undefined, 1))
  console.log(`trace ${trace}, ${events} events, reads: ${JSON.stringify(reads)}`)
  await campaign.run(seed, 1)
}
const seconds = (performance.now() - startedMs) / 1000
for (const failure of campaign.failures) console.error(failure)
console.log(`${campaign.figures.schedules} schedules in ${seconds.toFixed(1)} s, ${campaign.failures.length} of which failed`)
if (values.json) console.log(JSON.stringify({ ...campaign.figures, seconds, cpuSeconds: process.cpuUsage().user / 1e6 }))
if (campaign.failures.length > 0) process.exitCode = 1
