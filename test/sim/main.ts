/**
 * A swarm in one process: thousands of nodes run the production engine (`src/engine`: sessions, upload queue, link book, trackers,
 * walks) against each other in virtual time, over simulated uplinks, downlinks, pipes between regions, an origin and failures.
 * The same options give the same figures, whatever the machine.
 *
 *     npm run sim -- --nodes 10000 --size 512MiB --origin 10Gbit --link 1Gbit --seed 1 --json
 *     npm run sim -- --matrix scale
 *     npm run sim -- --nodes 1000 --plot completion.svg
 *
 * What is what: `simulation.ts` joins the parts; `sim-node.ts` feeds a session and carries out its effects; `transfers.ts` moves
 * pieces (the production queue, `uplinks.ts`, `wires.ts`); `sim-origin.ts` is the origin; `dialling.ts` opens and ends links;
 * `sim-discovery.ts` is the seam to trackers: joins and leases; `faults.ts` kills; `bounds.ts` says what is possible at best.
 *
 * A piece that has left its uplink waits for a busy downlink without holding its sender up, unless `--buffer` says how much may wait.
 * What it leaves out: TCP's slow start and losses, the CPU that pieces cost, disks that are slower than links, liars about pieces.
 * The origin is never cut off, and is no node; that it wants to be left alone is not passed on to others. Nobody searches the DHT.
 */
import { writeFileSync } from 'node:fs'
import { readCommand, usage, type Command } from './command.ts'
import { matrixRows } from './matrix.ts'
import { plot } from './plot.ts'
import { UsageError } from './quantities.ts'
import { report, tableHead, tableRow } from './sim-report.ts'
import type { SimResult } from './sim-result.ts'
import { simulate } from './simulation.ts'

try {
  const command = readCommand(process.argv.slice(2))
  if (command.help) console.log(usage())
  else if (command.matrix !== undefined) runMatrix(command, command.matrix)
  else runOne(command)
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  console.error(`${error.message}; --help lists all options`)
  process.exitCode = 2
}

function runOne({ options, json, plotFile }: Command): void {
  const result = simulate(options)
  console.log(report(options, result))
  if (plotFile !== undefined) writeFileSync(plotFile, plot(options, result))
  if (json) console.log(JSON.stringify(withoutTimes(result)))
  if (result.unfinished > 0) process.exitCode = 1
}

function runMatrix({ options, json, short }: Command, name: string): void {
  const results: object[] = []
  console.log(tableHead())
  for (const row of matrixRows(name, short)) {
    const result = simulate({ ...options, ...row.options })
    console.log(tableRow(row.label, result))
    results.push({ label: row.label, ...withoutTimes(result) })
    if (result.unfinished > 0) process.exitCode = 1
  }
  if (json) console.log(JSON.stringify(results))
}

/** Thousands of times are for the plot only. */
function withoutTimes(result: SimResult): object {
  return { ...result, timesMs: undefined }
}
