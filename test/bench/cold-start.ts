/**
 * How long a cold start takes: twenty nodes on loopback hold an image; `damselfly pull --json` is started, and timed from the start of its
 * process to the first verified bytes (any, and from a peer), to `done`, and to its end. Where the time goes is measured by a script that does
 * what `pull` does. Each run is a new process with an empty store, one after the other.
 *
 *     npm run bench:cold-start -- [--json] [--short] [--runs 20] [--package FILE.tgz]
 *
 * Twice where network namespaces can be made (root, iproute2): with the default settings alone, so that peers are found by multicast, and with
 * `--peer` for one node of the swarm. Elsewhere only with `--peer`, and without multicast, which would leave the machine.
 */
import { join } from 'node:path'
import { rm } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { start } from './net/commands.ts'
import { Lab, whyNoLab } from './net/lab.ts'
import { BenchError, runBench, type BenchContext } from './support/bench-run.ts'
import type { ColdPullMarks, ColdPullSetup, FromColdPull } from './support/cold-pull.ts'
import { median, percentile, round } from './support/figures.ts'
import { groupImage, type FromGroup, type GroupSetup, type ToGroup } from './support/group-messages.ts'
import { packedProduct, type Product } from './support/product.ts'
import { printTable } from './support/table.ts'
import { parseCount } from './support/units.ts'
import { epochMs, WorkerProcess } from './support/worker-process.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    runs: { type: 'string' },
    package: { type: 'string' },
  },
})
const mib = 1024 * 1024
const layerSizes = [8 * mib, 4 * mib]
const nodesPerGroup = 5
const groupCount = values.short ? 1 : 4
const runCount = parseCount(values.runs ?? (values.short ? '3' : '20'), 1)
/** What nobody is told is for loopback stays on it. */
const loopbackOnly = ['/ip4/127.0.0.1/tcp/0']

/** The swarm that is pulled from, and how. */
interface Setting {
  readonly product: Product
  readonly namespace: string | undefined
  readonly registryHost: string
  readonly multicast: boolean
  /** Given to `--peer`. */
  readonly peers: readonly string[]
}

/** Of each run, in milliseconds since the process was started. */
interface CliRun {
  readonly firstByteMs: number | undefined
  readonly firstPeerByteMs: number | undefined
  readonly doneMs: number
  readonly endMs: number
  readonly peerShare: number
}

/** In milliseconds, of those runs in which it happened. */
interface Spread {
  readonly p50: number
  readonly p95: number
  readonly runs: number
}

interface ColdStartFigures {
  readonly way: string
  /** `damselfly pull`, since the start of its process. */
  readonly cli: Readonly<Record<'firstByteMs' | 'firstPeerByteMs' | 'doneMs' | 'endMs', Spread>> & { readonly peerShare: number }
  /** A script that does what it does, since the start of its process. */
  readonly sinceStartMs: Readonly<Record<Phase, Spread>>
}

type Phase = 'process' | 'load' | 'node' | 'linked' | 'resolved' | 'peerPiece' | 'done'

await runBench('cold-start', values.json, async (context) => {
  const noLab = await whyNoLab()
  if (noLab !== undefined) context.say(`with --peer only, and without multicast: ${noLab}`)
  context.say('building and packing')
  const product = await packedProduct(context.folder, values.package)
  const namespace = noLab === undefined ? (await context.cleanup.use(new Lab()).addHost('loop', [])).namespace : undefined
  const multicast = noLab === undefined
  context.say(`starting ${groupCount * nodesPerGroup} nodes`)
  const swarm = await startSwarm(context, product, namespace, multicast)
  const shared = { product, namespace, registryHost: swarm.registryHost, multicast }
  const ways: Record<string, Setting> = {
    ...(multicast && { defaults: { ...shared, peers: [] } }),
    peer: { ...shared, peers: swarm.addresses.slice(0, 1) },
  }
  const results = []
  for (const [way, setting] of Object.entries(ways)) results.push(await measure(context, way, setting))
  const figures = { nodes: groupCount * nodesPerGroup, imageBytes: layerSizes.reduce((a, b) => a + b), runs: runCount, results }
  return { text: results.map(printResult).join('\n\n'), figures }
})

async function startSwarm(
  { folder, cleanup }: BenchContext,
  product: Product,
  namespace: string | undefined,
  multicast: boolean,
): Promise<{ addresses: readonly string[]; registryHost: string }> {
  let addresses: readonly string[] = []
  let registryHost: string | undefined
  for (let group = 0; group < groupCount; group++) {
    const setup: GroupSetup = {
      ...product,
      folder: join(folder, `group-${group}`),
      nodeCount: nodesPerGroup,
      image: { layerSizes, registryHost },
      listen: loopbackOnly,
      multicast,
      bootstrap: addresses.slice(0, 1),
    }
    const script = join(import.meta.dirname, 'support/node-group.ts')
    const worker = cleanup.use(new WorkerProcess<ToGroup, FromGroup>(`group ${group}`, script, setup, { namespace, env: { HOME: folder } }))
    const ready = await worker.next('ready')
    addresses = [...addresses, ...ready.addresses]
    registryHost ??= ready.registryHost
  }
  if (registryHost === undefined) throw new BenchError('no registry')
  return { addresses, registryHost }
}

async function measure(context: BenchContext, way: string, setting: Setting): Promise<ColdStartFigures> {
  const runs: CliRun[] = []
  const marks: Record<Phase, number | undefined>[] = []
  for (let run = 0; run < runCount; run++) {
    context.say(`${way}: run ${run + 1} of ${runCount}`)
    const folder = join(context.folder, `${way}-${run}`)
    runs.push(await runCli(setting, join(folder, 'cli')))
    marks.push(await runPhases(setting, join(folder, 'script')))
    await rm(folder, { recursive: true })
  }
  return addUp(way, runs, marks)
}

async function runCli({ product, namespace, registryHost, multicast, peers }: Setting, folder: string): Promise<CliRun> {
  const args = [product.cli, 'pull', `${registryHost}/${groupImage}`, '--json', '--to', join(folder, 'layout'), '--store', join(folder, 'store')]
  args.push('--insecure', registryHost, ...peers.flatMap((peer) => ['--peer', peer]))
  if (!multicast) args.push('--discovery', 'dht', '--listen', ...loopbackOnly)
  const startedMs = performance.now()
  const child = start({ program: process.execPath, args, namespace }, ['ignore', 'pipe', 'pipe'], { HOME: folder })
  const ended = once(child, 'close')
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text))
  let firstByteMs: number | undefined
  let firstPeerByteMs: number | undefined
  let done: { ms: number; peerShare: number } | undefined
  if (child.stdout) {
    for await (const line of createInterface({ input: child.stdout })) {
      const { event, bytes }: { event: string; bytes?: { total: number; origin: number; peers: number } } = JSON.parse(line)
      const ms = performance.now() - startedMs
      if (bytes && bytes.origin + bytes.peers > 0) firstByteMs ??= ms
      if (bytes && bytes.peers > 0) firstPeerByteMs ??= ms
      if (event === 'done' && bytes) done = { ms, peerShare: bytes.peers / bytes.total }
    }
  }
  const [code] = await ended
  if (code !== 0 || !done) throw new BenchError(`the pull failed: ${said}`)
  return { firstByteMs, firstPeerByteMs, doneMs: done.ms, endMs: performance.now() - startedMs, peerShare: done.peerShare }
}

async function runPhases(setting: Setting, folder: string): Promise<Record<Phase, number | undefined>> {
  const { product, namespace, registryHost, multicast, peers } = setting
  const setup: ColdPullSetup = {
    entry: product.entry,
    folder,
    reference: `${registryHost}/${groupImage}`,
    registryHost,
    listen: multicast ? undefined : loopbackOnly,
    multicast,
    peers,
  }
  const script = join(import.meta.dirname, 'support/cold-pull.ts')
  const startedEpochMs = epochMs()
  await using worker = new WorkerProcess<object, FromColdPull>('a pull', script, setup, { namespace, env: { HOME: folder } })
  const { marks } = await worker.next('done')
  return sinceStart(marks, startedEpochMs)
}

function sinceStart(marks: ColdPullMarks, startedEpochMs: number): Record<Phase, number | undefined> {
  const since = (epoch: number | undefined): number | undefined => (epoch === undefined ? undefined : epoch - startedEpochMs)
  return {
    process: since(marks.scriptEpochMs),
    load: since(marks.loadedEpochMs),
    node: since(marks.nodeEpochMs),
    linked: since(marks.linkedEpochMs),
    resolved: since(marks.resolvedEpochMs),
    peerPiece: since(marks.peerPieceEpochMs),
    done: since(marks.doneEpochMs),
  }
}

function addUp(way: string, runs: readonly CliRun[], marks: readonly Record<Phase, number | undefined>[]): ColdStartFigures {
  const phase = (name: Phase): Spread => spread(marks.map((mark) => mark[name]))
  return {
    way,
    cli: {
      firstByteMs: spread(runs.map(({ firstByteMs }) => firstByteMs)),
      firstPeerByteMs: spread(runs.map(({ firstPeerByteMs }) => firstPeerByteMs)),
      doneMs: spread(runs.map(({ doneMs }) => doneMs)),
      endMs: spread(runs.map(({ endMs }) => endMs)),
      peerShare: round(median(runs.map(({ peerShare }) => peerShare)), 3),
    },
    sinceStartMs: {
      process: phase('process'),
      load: phase('load'),
      node: phase('node'),
      linked: phase('linked'),
      resolved: phase('resolved'),
      peerPiece: phase('peerPiece'),
      done: phase('done'),
    },
  }
}

function spread(times: readonly (number | undefined)[]): Spread {
  const known = times.filter((time) => time !== undefined)
  return { p50: round(percentile(known, 0.5)), p95: round(percentile(known, 0.95)), runs: known.length }
}

function printResult({ way, cli, sinceStartMs }: ColdStartFigures): string {
  const row = (name: string, { p50, p95, runs }: Spread): string[] => [name, `${p50} ms`, `${p95} ms`, String(runs)]
  return [
    `${way}: ${Math.round(100 * cli.peerShare)} % of the bytes from peers`,
    printTable([
      ['damselfly pull, since its start', 'p50', 'p95', 'runs'],
      row('first verified byte', cli.firstByteMs),
      row('first one from a peer', cli.firstPeerByteMs),
      row('done', cli.doneMs),
      row('process ended', cli.endMs),
      ['where it goes, since the start', '', '', ''],
      row('  Node is up', sinceStartMs.process),
      row('  library loaded', sinceStartMs.load),
      row('  node listens', sinceStartMs.node),
      row('  first link', sinceStartMs.linked),
      row('  image resolved', sinceStartMs.resolved),
      row('  first piece from a peer', sinceStartMs.peerPiece),
      row('  done', sinceStartMs.done),
    ]),
  ].join('\n')
}
