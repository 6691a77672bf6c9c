/**
 * Never worse than direct: 1, 2 and 4 real processes of the packed package pull one blob through the swarm, and the same pull goes straight to the
 * registry with our own client (nobody known, nobody can reach it), by curl and by `skopeo copy`; in turns, several times, the slowest of the
 * processes counts. Once on loopback, where the machine is the limit, and once behind links of 200 Mbit/s.
 *
 *     npm run bench:direct -- [--json] [--short] [--size 64MiB] [--rate 200mbit] [--repeat 3] [--package FILE.tgz]
 *
 * Needs docker-registry and curl; links, and a loopback that multicast does not leave, need root and iproute2. Without root, loopback is measured
 * with nodes that cannot find each other by multicast, and says so.
 */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { missingPrograms } from './net/commands.ts'
import { Lab, whyNoLab } from './net/lab.ts'
import { curlAll, skopeoAll } from './net/native-pull.ts'
import { Registry, type BlobFile } from './net/registry.ts'
import { BenchSkipped, runBench, type BenchContext } from './support/bench-run.ts'
import { CrowdNodes } from './support/crowd-nodes.ts'
import { freePorts } from './support/free-ports.ts'
import { median, round, sum } from './support/figures.ts'
import { packedProduct, type Product } from './support/product.ts'
import { writeSeededFile } from './support/seeded-file.ts'
import { printTable } from './support/table.ts'
import { parseCount, parseRate, parseSize, printMib } from './support/units.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    size: { type: 'string' },
    rate: { type: 'string', default: '200mbit' },
    repeat: { type: 'string' },
    package: { type: 'string' },
  },
})
const repository = 'bench/blob'
const processCounts = values.short ? [1, 2] : [1, 2, 4]
const repeatCount = parseCount(values.repeat ?? (values.short ? '1' : '3'), 1)

type Way = 'swarm' | 'direct' | 'curl' | 'skopeo'

/** Where pulls are measured: where the processes run, and the registry. */
interface Bed {
  readonly name: 'loopback' | 'links'
  readonly namespaces: readonly (string | undefined)[]
  readonly registry: Registry
}

/** Times in milliseconds, of the slowest process; medians over all repetitions. */
interface DirectFigures {
  readonly bed: Bed['name']
  readonly processes: number
  readonly swarmMs: number
  readonly directMs: number
  readonly curlMs: number
  readonly skopeoMs: number | undefined
  /** Swarm against direct, the median of those of each repetition: above 1, the swarm is worse. */
  readonly ratio: number
  readonly swarmOriginBytesRatio: number
  readonly samples: Readonly<Record<Way, readonly number[]>>
}

await runBench('direct', values.json, async (context) => {
  const missing = missingPrograms(['docker-registry', 'curl'])
  if (missing.length > 0) throw new BenchSkipped(`${missing.join(' and ')} not installed`)
  const noLab = await whyNoLab()
  if (noLab !== undefined) context.say(`loopback only, and without multicast: ${noLab}`)
  const withSkopeo = missingPrograms(['skopeo']).length === 0
  context.say('building and packing')
  const product = await packedProduct(context.folder, values.package)
  const blob = await writeSeededFile(join(context.folder, 'blob'), 1, parseSize(values.size ?? (values.short ? '16MiB' : '64MiB')))
  const beds = noLab === undefined ? await labBeds(context) : [await plainBed(context)]
  const figures: DirectFigures[] = []
  for (const bed of beds) {
    await bed.registry.addImage(repository, blob)
    for (const processes of processCounts) {
      figures.push(await measure({ context, product, blob, bed, processes, withSkopeo, multicast: noLab === undefined }))
    }
  }
  return { text: printFigures(figures, blob.sizeBytes), figures: { sizeBytes: blob.sizeBytes, repeatCount, rate: values.rate, results: figures } }
})

interface Trial {
  readonly context: BenchContext
  readonly product: Product
  readonly blob: BlobFile
  readonly bed: Bed
  readonly processes: number
  readonly withSkopeo: boolean
  readonly multicast: boolean
}

async function measure(trial: Trial): Promise<DirectFigures> {
  const { context, blob, bed, processes, withSkopeo } = trial
  const samples: Record<Way, number[]> = { swarm: [], direct: [], curl: [], skopeo: [] }
  const originShares: number[] = []
  const namespaces = bed.namespaces.slice(0, processes)
  for (let repetition = 0; repetition < repeatCount; repetition++) {
    context.say(`${bed.name}, ${processes} processes, ${repetition + 1} of ${repeatCount}`)
    // In turns, so that neither always finds the machine as the other left it.
    const ways = repetition % 2 === 0 ? (['swarm', 'direct'] as const) : (['direct', 'swarm'] as const)
    for (const way of ways) {
      const pulled = await pullOnce(trial, way, `${bed.name}-${processes}-${repetition}-${way}`)
      samples[way].push(pulled.ms)
      if (way === 'swarm') originShares.push(pulled.originBytes / blob.sizeBytes)
    }
    samples.curl.push(Math.max(...(await curlAll(namespaces, bed.registry, repository, blob, context.folder))))
    if (withSkopeo) samples.skopeo.push(Math.max(...(await skopeoAll(namespaces, bed.registry, repository, context.folder))))
  }
  return {
    bed: bed.name,
    processes,
    swarmMs: round(median(samples.swarm)),
    directMs: round(median(samples.direct)),
    curlMs: round(median(samples.curl)),
    skopeoMs: withSkopeo ? round(median(samples.skopeo)) : undefined,
    ratio: round(median(samples.swarm.map((ms, index) => ms / (samples.direct[index] ?? NaN))), 3),
    swarmOriginBytesRatio: round(median(originShares), 3),
    samples: Object.fromEntries(Object.entries(samples).map(([way, times]) => [way, times.map((ms) => round(ms))])) as typeof samples,
  }
}

async function pullOnce(trial: Trial, way: 'swarm' | 'direct', name: string): Promise<{ ms: number; originBytes: number }> {
  const { context, product, blob, bed, processes, multicast } = trial
  const folder = join(context.folder, name)
  const ports = multicast ? [] : await freePorts(processes)
  const places = Array.from({ length: processes }, (_, index) => ({
    name: `node ${index}`,
    namespace: bed.namespaces[index],
    setup: {
      entry: product.entry,
      storeDir: join(folder, String(index)),
      registryHost: bed.registry.host,
      way: way === 'direct' ? ('alone' as const) : multicast ? ('default' as const) : ('told' as const),
      port: ports[index],
      otherPorts: ports.toSpliced(index, 1),
    },
  }))
  await using nodes = new CrowdNodes(places, folder)
  await nodes.ready({ wantLinks: way === 'swarm' })
  // What starting left to do is done.
  await pause(500)
  bed.registry.use()
  const pulls = await nodes.pull({ digest: blob.digest, sizeBytes: blob.sizeBytes, repository })
  return { ms: Math.max(...pulls.map(({ ms }) => ms)), originBytes: sum(pulls.map(({ originBytes }) => originBytes)) }
}

async function labBeds({ folder, cleanup }: BenchContext): Promise<Bed[]> {
  const most = Math.max(...processCounts)
  const lab = cleanup.use(new Lab())
  const loop = await lab.addHost('loop', [])
  const near = { namespace: loop.namespace, address: '127.0.0.1', port: 5000 }
  const loopback = cleanup.use(await Registry.start(near, join(folder, 'registry-loopback')))
  const network = await lab.addNetwork()
  const rate = { rateBitsPerSecond: parseRate(values.rate) }
  const registryHost = await lab.addHost('registry', [network], rate)
  const hosts = []
  for (let number = 1; number <= most; number++) hosts.push(await lab.addHost(`h${number}`, [network], rate))
  const far = { namespace: registryHost.namespace, address: registryHost.addresses[0] ?? '', port: 5000 }
  const linked = cleanup.use(await Registry.start(far, join(folder, 'registry-links')))
  return [
    { name: 'loopback', namespaces: Array.from({ length: most }, () => loop.namespace), registry: loopback },
    { name: 'links', namespaces: hosts.map(({ namespace }) => namespace), registry: linked },
  ]
}

async function plainBed({ folder, cleanup }: BenchContext): Promise<Bed> {
  const [port = 0] = await freePorts(1)
  const registry = cleanup.use(await Registry.start({ address: '127.0.0.1', port }, join(folder, 'registry-loopback')))
  return { name: 'loopback', namespaces: Array.from({ length: Math.max(...processCounts) }, () => undefined), registry }
}

function printFigures(figures: readonly DirectFigures[], sizeBytes: number): string {
  const ms = (value: number | undefined): string => (value === undefined ? '-' : `${value} ms`)
  return [
    `${printMib(sizeBytes)}; the slowest process, median of ${repeatCount}; links of ${values.rate}`,
    printTable([
      ['where', 'processes', 'swarm', 'direct', 'swarm / direct', 'curl', 'skopeo', 'of blob from registry'],
      ...figures.map((result) => [
        result.bed, String(result.processes), ms(result.swarmMs), ms(result.directMs), result.ratio.toFixed(2),
        ms(result.curlMs), ms(result.skopeoMs), `${result.swarmOriginBytesRatio.toFixed(2)} x`,
      ]),
    ]),
  ].join('\n')
}
