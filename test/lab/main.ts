/**
 * Seeded fault schedules over production nodes in one process, on a virtual network and in virtual time: `lab.ts` says how.
 *
 *     npm run lab -- --schedules 50000 --seed 1 --json
 *     npm run lab -- --short
 *     npm run lab -- --replay 4711
 */
import { parseArgs } from 'node:util'
import { drawSchedule } from './schedule.ts'
import { runSchedule } from './run-schedule.ts'

const { values } = parseArgs({
  options: {
    schedules: { type: 'string', default: '2000' },
    seed: { type: 'string', default: '1' },
    pieces: { type: 'string', default: '64' },
    nodes: { type: 'string', default: '12' },
    replay: { type: 'string' },
    short: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const limits = { mostNodes: Number(values.nodes), mostPieces: Number(values.pieces) }
const first = Number(values.replay ?? values.seed)
const count = values.replay !== undefined ? 1 : Number(values.short ? 200 : values.schedules)
const figures = { schedules: 0, failures: 0, events: 0, deliveredBytes: 0, ok: 0, aborted: 0, failed: 0, lost: 0, seconds: 0 }
const startedMs = performance.now()
for (let seed = first; seed < first + count; seed++) {
  const schedule = drawSchedule(seed, limits)
  const { violations, events, deliveredBytes, reads, trace } = await runSchedule(schedule)
  figures.schedules++
  figures.events += events
  figures.deliveredBytes += deliveredBytes
  for (const kind of ['ok', 'aborted', 'failed', 'lost'] as const) figures[kind] += reads[kind]
  if (values.replay !== undefined) console.log(JSON.stringify(schedule, undefined, 1), `\ntrace ${trace}, ${events} events, reads ${JSON.stringify(reads)}`)
  if (violations.length === 0) continue
  figures.failures++
  console.error(`schedule ${seed} failed; npm run lab -- --replay ${seed} --nodes ${limits.mostNodes} --pieces ${limits.mostPieces}`)
  for (const violation of violations) console.error(`  ${violation}`)
}
figures.seconds = (performance.now() - startedMs) / 1000
console.log(`${figures.schedules} schedules in ${figures.seconds.toFixed(1)} s, ${figures.failures} of which failed`)
if (values.json) console.log(JSON.stringify(figures))
if (figures.failures > 0) process.exitCode = 1
