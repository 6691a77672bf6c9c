/**
 * How long a crowd takes that wants one blob at once, and what that costs the registry: real processes of the packed package, each in a network
 * namespace of its own behind a link that is limited both ways, and Debian's docker-registry behind such a link too. The clock starts when
 * all nodes are up; the same hosts then fetch the blob by curl, all at once.
 *
 *     npm run bench:crowd -- [--json] [--short] [--hosts 16] [--rate 50mbit] [--origin-rate 50mbit] [--size 32MiB]
 *                            [--supernode | --kill-supernode | --scenario all | --islands]
 *                            [--package FILE.tgz] [--no-native] [--no-regions]
 *
 * `--supernode` adds a host with a supernode; `--kill-supernode` kills its process after a third of the lower bound. `--islands` is two networks
 * of four hosts, joined by a supernode alone, of which one has no way to the registry; nodes say which they are on unless `--no-regions` is given.
 * `--package` measures a package made before. Needs root, iproute2, curl and docker-registry; without them it says so and ends well.
 */
import { parseArgs } from 'node:util'
import { measureCrowd, openCrowd, type CrowdSettings, type ScenarioName } from './crowd-scenarios.ts'
import { measureIslands } from './crowd-islands.ts'
import { printCrowd, printIslands } from './crowd-report.ts'
import { missingPrograms } from './net/commands.ts'
import { whyNoLab } from './net/lab.ts'
import { BenchSkipped, runBench, type BenchContext } from './support/bench-run.ts'
import { parseCount, parseRate, parseSize } from './support/units.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    hosts: { type: 'string' },
    rate: { type: 'string', default: '50mbit' },
    'origin-rate': { type: 'string' },
    size: { type: 'string' },
    supernode: { type: 'boolean', default: false },
    'kill-supernode': { type: 'boolean', default: false },
    scenario: { type: 'string' },
    islands: { type: 'boolean', default: false },
    package: { type: 'string' },
    native: { type: 'boolean', default: true },
    regions: { type: 'boolean', default: true },
  },
  allowNegative: true,
})

await runBench('crowd', values.json, async (context) => {
  await checkMachine()
  const settings: CrowdSettings = {
    hostCount: parseCount(values.hosts ?? (values.short ? '6' : '16'), 1),
    sizeBytes: parseSize(values.size ?? (values.short ? '8MiB' : '32MiB')),
    hostBitsPerSecond: parseRate(values.rate),
    originBitsPerSecond: parseRate(values['origin-rate'] ?? values.rate),
    tarball: values.package,
    regions: values.regions,
  }
  return values.islands ? await islands(context, settings) : await crowd(context, settings)
})

async function crowd(context: BenchContext, settings: CrowdSettings): Promise<{ text: string; figures: object }> {
  const open = await openCrowd(context, settings)
  const native = values.native ? await open.pullNatively() : []
  const results = []
  for (const scenario of scenarios()) results.push(await measureCrowd(open, scenario, native))
  const [only] = results
  const figures = results.length === 1 && only ? only : { scenarios: Object.fromEntries(results.map((result) => [result.scenario, result])) }
  return { text: printCrowd(results), figures }
}

async function islands(context: BenchContext, settings: CrowdSettings): Promise<{ text: string; figures: object; failed?: string | undefined }> {
  const figures = await measureIslands(context, settings)
  return { text: printIslands(figures), figures }
}

function scenarios(): ScenarioName[] {
  const { scenario } = values
  if (scenario === 'all') return ['plain', 'supernode', 'kill-supernode']
  if (scenario === 'plain' || scenario === 'supernode' || scenario === 'kill-supernode') return [scenario]
  if (scenario !== undefined) throw new RangeError(`${scenario} is no scenario: plain, supernode, kill-supernode or all`)
  return [values['kill-supernode'] ? 'kill-supernode' : values.supernode ? 'supernode' : 'plain']
}

async function checkMachine(): Promise<void> {
  const missing = missingPrograms(['docker-registry', 'curl'])
  if (missing.length > 0) throw new BenchSkipped(`${missing.join(' and ')} not installed`)
  const reason = await whyNoLab()
  if (reason !== undefined) throw new BenchSkipped(reason)
}
