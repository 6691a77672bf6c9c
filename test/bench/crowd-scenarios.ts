import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Lab, type LabHost, type LabNetwork } from './net/lab.ts'
import { curlAll } from './net/native-pull.ts'
import { Registry, type BlobFile } from './net/registry.ts'
import type { NodePull } from './support/bench-messages.ts'
import type { BenchContext } from './support/bench-run.ts'
import { CpuMeter, type CpuUse } from './support/cpu-meter.ts'
import { CrowdNodes } from './support/crowd-nodes.ts'
import { lowerBoundMs, median, percentile, round } from './support/figures.ts'
import { packedProduct, type Product } from './support/product.ts'
import { writeSeededFile } from './support/seeded-file.ts'
import { Supernode } from './support/supernode.ts'

/** What the command line asks for. */
export interface CrowdSettings {
  readonly hostCount: number
  readonly sizeBytes: number
  readonly hostBitsPerSecond: number
  readonly originBitsPerSecond: number
  readonly tarball: string | undefined
  /** Islands are told apart by the region that nodes say they are in. */
  readonly regions: boolean
}

export type ScenarioName = 'plain' | 'supernode' | 'kill-supernode'

/** What a scenario came to. Sizes are in bytes. */
export interface CrowdFigures {
  readonly scenario: ScenarioName
  readonly hosts: number
  readonly sizeBytes: number
  readonly rateBitsPerSecond: number
  readonly originRateBitsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  readonly lowerBoundMs: number
  /** Of the slowest host. */
  readonly ratioToLowerBound: number
  /** The slowest of as many hosts that fetch by curl; absent where that was not measured. */
  readonly nativeMs?: number
  readonly nativeP50Ms?: number
  /** The slowest host against the slowest one. */
  readonly timesFasterThanNative?: number
  /** By the registry's access log. */
  readonly originBytes: number
  readonly originBytesRatio: number
  readonly originRequests: number
  /** What the registry's device sent, headers and retransmissions included. */
  readonly originLinkBytes: number
  /** Links of the node that had fewest when the clock started. */
  readonly fewestLinks: number
  readonly cpu: CpuUse
  readonly perHost: readonly NodePull[]
}

/** Where the registry listens. */
export const registryPort = 5000
export const repository = 'bench/blob'
/** An answer that was cut is in the access log a moment later. */
const logDelayMs = 500

/** Everything that scenarios of one run share: hosts, links, registry, blob and package. */
export interface OpenCrowd {
  readonly context: BenchContext
  readonly settings: CrowdSettings
  readonly lab: Lab
  readonly network: LabNetwork
  readonly hosts: readonly LabHost[]
  readonly registryHost: LabHost
  readonly registry: Registry
  readonly blob: BlobFile
  readonly product: Product
  /** How long curl takes on each host, in milliseconds. */
  pullNatively(): Promise<number[]>
}

/** Sets up what the scenarios share. */
export async function openCrowd(context: BenchContext, settings: CrowdSettings): Promise<OpenCrowd> {
  const { folder, cleanup, say } = context
  say('building and packing')
  const product = await packedProduct(folder, settings.tarball)
  say(`${settings.hostCount} hosts and a registry`)
  const lab = cleanup.use(new Lab())
  const network = await lab.addNetwork()
  const registryHost = await lab.addHost('registry', [network], { rateBitsPerSecond: settings.originBitsPerSecond })
  const hosts: LabHost[] = []
  for (let number = 1; number <= settings.hostCount; number++) {
    hosts.push(await lab.addHost(`h${number}`, [network], { rateBitsPerSecond: settings.hostBitsPerSecond }))
  }
  const registry = cleanup.use(await startRegistry(registryHost, folder))
  const blob = await writeSeededFile(join(folder, 'blob'), 1, settings.sizeBytes)
  await registry.addImage(repository, blob)
  registry.use()
  const namespaces = hosts.map(({ namespace }) => namespace)
  return {
    context, settings, lab, network, hosts, registryHost, registry, blob, product,
    async pullNatively() {
      say(`${hosts.length} times curl`)
      const times = await curlAll(namespaces, registry, repository, blob, folder)
      registry.use()
      return times
    },
  }
}

export function startRegistry({ namespace, addresses: [address = ''] }: LabHost, folder: string): Promise<Registry> {
  return Registry.start({ namespace, address, port: registryPort }, join(folder, 'registry'))
}

let runCount = 0

/** Runs one scenario: new processes with empty stores on the same hosts. */
export async function measureCrowd(open: OpenCrowd, scenario: ScenarioName, native: readonly number[]): Promise<CrowdFigures> {
  const { context, settings, lab, hosts, registry, registryHost, blob, product } = open
  const { hostCount, sizeBytes, hostBitsPerSecond, originBitsPerSecond } = settings
  const folder = join(context.folder, `run-${runCount++}`)
  await using stack = new AsyncDisposableStack()
  const supernode = scenario === 'plain' ? undefined : stack.use(await startSupernode(open, folder))
  context.say(`${scenario}: starting ${hostCount} nodes`)
  const places = hosts.map(({ name, namespace }) => ({
    name,
    namespace,
    setup: {
      entry: product.entry,
      storeDir: join(folder, name),
      registryHost: registry.host,
      way: 'default' as const,
      supernodes: supernode && [supernode.address],
    },
  }))
  const nodes = stack.use(new CrowdNodes(places, folder))
  const links = await nodes.ready({ wantLinks: true })
  const boundMs = lowerBoundMs({
    sizeBytes, hostCount, hostBitsPerSecond, originBitsPerSecond, extraUploaders: supernode ? 1 : 0,
  })
  registry.use()
  const sentBefore = await lab.traffic(registryHost)
  context.say(`${scenario}: go`)
  const meter = new CpuMeter()
  const killing = scenario === 'kill-supernode' ? supernode?.killAfter(boundMs / 3) : undefined
  const perHost = await nodes.pull({ digest: blob.digest, sizeBytes, repository })
  const times = perHost.map(({ ms }) => ms)
  const maxMs = Math.max(...times)
  const cpu = meter.read(perHost.map(({ cpuSeconds }) => cpuSeconds))
  await killing
  await pause(logDelayMs)
  const use = registry.use()
  const sent = await lab.traffic(registryHost)
  return {
    scenario,
    hosts: hostCount,
    sizeBytes,
    rateBitsPerSecond: hostBitsPerSecond,
    originRateBitsPerSecond: originBitsPerSecond,
    p50Ms: round(percentile(times, 0.5)),
    p99Ms: round(percentile(times, 0.99)),
    maxMs: round(maxMs),
    lowerBoundMs: round(boundMs),
    ratioToLowerBound: round(maxMs / boundMs, 3),
    ...(native.length > 0 && {
      nativeMs: round(Math.max(...native)),
      nativeP50Ms: round(median(native)),
      timesFasterThanNative: round(Math.max(...native) / maxMs, 2),
    }),
    originBytes: use.bytes,
    originBytesRatio: round(use.bytes / sizeBytes, 3),
    originRequests: use.requests,
    originLinkBytes: sent.sentBytes - sentBefore.sentBytes,
    fewestLinks: Math.min(...links),
    cpu,
    perHost: perHost.map((pull) => ({ ...pull, ms: round(pull.ms), cpuSeconds: round(pull.cpuSeconds, 2) })),
  }
}

interface RunningSupernode extends AsyncDisposable {
  readonly address: string
  killAfter(delayMs: number): Promise<void>
}

async function startSupernode(
  { context, lab, network, settings, product, registry }: OpenCrowd,
  folder: string,
): Promise<RunningSupernode> {
  const rate = { rateBitsPerSecond: settings.hostBitsPerSecond }
  const { namespace, addresses } = await lab.addHost(`super${runCount}`, [network], rate)
  context.say('starting a supernode')
  const init = { cli: product.cli, namespace, storeDir: join(folder, 'supernode'), registryHost: registry.host, home: folder }
  const supernode = await Supernode.start(init)
  return {
    address: supernode.addressAt(addresses[0] ?? ''),
    async killAfter(delayMs) {
      await pause(delayMs)
      await supernode.kill()
    },
    [Symbol.asyncDispose]: () => supernode.kill(),
  }
}
