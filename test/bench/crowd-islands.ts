import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { repository, startRegistry, type CrowdSettings } from './crowd-scenarios.ts'
import { Lab, type LabHost, type LabNetwork } from './net/lab.ts'
import type { NodePull } from './support/bench-messages.ts'
import type { BenchContext } from './support/bench-run.ts'
import { CpuMeter, type CpuUse } from './support/cpu-meter.ts'
import { CrowdNodes } from './support/crowd-nodes.ts'
import { percentile, round, sum } from './support/figures.ts'
import { packedProduct } from './support/product.ts'
import { writeSeededFile } from './support/seeded-file.ts'
import { Supernode } from './support/supernode.ts'

/** How an island did. Sizes are in bytes. */
export interface OneIsland {
  readonly name: 'near' | 'far'
  readonly p50Ms: number
  readonly maxMs: number
  readonly originBytes: number
  readonly peerBytes: number
}

/** What two islands came to: the near one has the registry, the far one has the supernode and nothing else. */
export interface IslandFigures {
  readonly hostsPerIsland: number
  readonly sizeBytes: number
  readonly rateBitsPerSecond: number
  readonly finishedHosts: number
  readonly maxMs: number
  readonly islands: readonly OneIsland[]
  /** By the kernel's counters of the supernode's leg into the far island, headers and all. */
  readonly crossedInBytes: number
  readonly crossedOutBytes: number
  /** Both of them, by the size of the blob. */
  readonly crossedRatio: number
  /** What it may be: the blob once, and a little to agree on that. */
  readonly crossedRatioLimit: number
  /** Whether nodes were told which island they are on. */
  readonly regions: boolean
  readonly originBytes: number
  readonly originBytesRatio: number
  readonly originRequests: number
  readonly cpu: CpuUse
  readonly perHost: readonly (NodePull & { readonly island: 'near' | 'far' })[]
}

const hostsPerIsland = 4
/** The supernode's leg into the far island. */
const farLeg = 1
const logDelayMs = 500
const crossedRatioLimit = 1.05

/** Two networks that only a supernode joins. It passes on no packets: what crosses went through its node. */
export async function measureIslands(context: BenchContext, settings: CrowdSettings): Promise<IslandFigures> {
  const { folder, cleanup, say } = context
  const { sizeBytes, hostBitsPerSecond, originBitsPerSecond, tarball } = settings
  say('building and packing')
  const product = await packedProduct(folder, tarball)
  say('two islands')
  const lab = cleanup.use(new Lab())
  const [near, far] = [await lab.addNetwork(), await lab.addNetwork()]
  const rate = { rateBitsPerSecond: hostBitsPerSecond }
  const registryHost = await lab.addHost('registry', [near], { rateBitsPerSecond: originBitsPerSecond })
  const joint = await lab.addHost('super', [near, far], rate)
  const hosts = [...(await addHosts('near', near)), ...(await addHosts('far', far))]
  const registry = cleanup.use(await startRegistry(registryHost, folder))
  const blob = await writeSeededFile(join(folder, 'blob'), 1, sizeBytes)
  await registry.addImage(repository, blob)
  const { namespace } = joint
  const init = { cli: product.cli, namespace, storeDir: join(folder, 'supernode'), registryHost: registry.host, home: folder, region: regionOf('near') }
  const supernode = cleanup.use(await Supernode.start(init))
  say(`starting ${hosts.length} nodes`)
  const places = hosts.map(({ island, host }) => ({
    name: host.name,
    namespace: host.namespace,
    setup: {
      entry: product.entry,
      storeDir: join(folder, host.name),
      registryHost: registry.host,
      way: 'default' as const,
      supernodes: [supernode.addressAt(joint.addresses[island === 'near' ? 0 : farLeg] ?? '')],
      origin: island === 'near' ? ('auto' as const) : ('never' as const),
      region: regionOf(island),
    },
  }))
  const nodes = cleanup.use(new CrowdNodes(places, folder))
  await nodes.ready({ wantLinks: true })
  registry.use()
  const before = await lab.traffic(joint, farLeg)
  const meter = new CpuMeter()
  say('go')
  const pulls = await nodes.pull({ digest: blob.digest, sizeBytes, repository })
  const after = await lab.traffic(joint, farLeg)
  const cpu = meter.read(pulls.map(({ cpuSeconds }) => cpuSeconds))
  await pause(logDelayMs)
  const use = registry.use()
  const perHost = pulls.map((pull, index) => ({
    ...pull,
    ms: round(pull.ms),
    cpuSeconds: round(pull.cpuSeconds, 2),
    island: hosts[index]?.island ?? ('near' as const),
  }))
  const crossedInBytes = after.sentBytes - before.sentBytes
  const crossedOutBytes = after.receivedBytes - before.receivedBytes
  return {
    hostsPerIsland,
    sizeBytes,
    rateBitsPerSecond: hostBitsPerSecond,
    finishedHosts: perHost.length,
    maxMs: round(Math.max(...perHost.map(({ ms }) => ms))),
    islands: (['near', 'far'] as const).map((name) => addUp(name, perHost.filter(({ island }) => island === name))),
    crossedInBytes,
    crossedOutBytes,
    crossedRatio: round((crossedInBytes + crossedOutBytes) / sizeBytes, 3),
    crossedRatioLimit,
    regions: settings.regions,
    originBytes: use.bytes,
    originBytesRatio: round(use.bytes / sizeBytes, 3),
    originRequests: use.requests,
    cpu,
    perHost,
  }

  /** The supernode stands with the registry: what crosses leaves it for the other region. */
  function regionOf(island: 'near' | 'far'): string | undefined {
    return settings.regions ? island : undefined
  }

  async function addHosts(island: 'near' | 'far', network: LabNetwork): Promise<{ island: 'near' | 'far'; host: LabHost }[]> {
    const made = []
    for (let number = 1; number <= hostsPerIsland; number++) {
      made.push({ island, host: await lab.addHost(`${island}${number}`, [network], rate) })
    }
    return made
  }
}

function addUp(name: 'near' | 'far', pulls: readonly NodePull[]): OneIsland {
  const times = pulls.map(({ ms }) => ms)
  return {
    name,
    p50Ms: round(percentile(times, 0.5)),
    maxMs: round(Math.max(...times)),
    originBytes: sum(pulls.map(({ originBytes }) => originBytes)),
    peerBytes: sum(pulls.map(({ peerBytes }) => peerBytes)),
  }
}
