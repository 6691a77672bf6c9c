/**
 * What a node costs that does nothing. First: a node with 500 blobs of 100 images, linked to twenty others: its memory, its CPU, and the bytes
 * that it exchanges, while it tells the world what it has, and after that. Then: a node starts on a store of 10,000 blobs of 250 images: how
 * long until others find it (a blob by its digest over a link; a manifest by its digest through the DHT alone), and what that costs.
 *
 *     npm run bench:idle -- [--json] [--short] [--package FILE.tgz]
 *
 * Bytes are those of a network device in a namespace of its own, headers included, which needs root and iproute2; elsewhere they are
 * left out, and nodes find each other without multicast, which would leave the machine.
 */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Lab, whyNoLab, type LabHost } from './net/lab.ts'
import { BenchError, runBench, type BenchContext } from './support/bench-run.ts'
import { fillStore, type FilledBlob } from './support/filled-store.ts'
import { round } from './support/figures.ts'
import type { FromGroup, GroupSetup, ToGroup } from './support/group-messages.ts'
import { printFigures, type IdleFigures, type RestartFigures } from './support/idle-report.ts'
import type { FromIdle, IdleSetup, ProcessUsage, ToIdle } from './support/idle-node.ts'
import { packedProduct, type Product } from './support/product.ts'
import { WorkerProcess } from './support/worker-process.ts'

const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, short: { type: 'boolean', default: false }, package: { type: 'string' } },
})
const idleStore = { imageCount: 100, blobCount: 500 }
const restartStore = { imageCount: 250, blobCount: values.short ? 2000 : 10_000 }
const nodesPerGroup = 5
const groupCount = 4
const peerCount = groupCount * nodesPerGroup
const settleMs = values.short ? 5000 : 60_000
const measureMs = values.short ? 10_000 : 60_000
const linkLimitMs = 120_000
const findLimitMs = 300_000
/** How many of the most recent images are looked for. The library provides the 256 most recent topics. */
const sampleCount = 20
const sampleOf = 250

/** Where the idle node, its peers, and who looks for blobs are. */
interface Bed {
  readonly product: Product
  readonly lab: Lab | undefined
  readonly idle: LabHost | undefined
  readonly peers: LabHost | undefined
  readonly finder: LabHost | undefined
}

type IdleWorker = WorkerProcess<ToIdle, FromIdle>

await runBench('idle', values.json, async (context) => {
  const noLab = await whyNoLab()
  if (noLab !== undefined) context.say(`without multicast, and bytes are not counted: ${noLab}`)
  context.say('building and packing')
  const product = await packedProduct(context.folder, values.package)
  const bed = noLab === undefined ? await labBed(context, product) : { product, lab: undefined, idle: undefined, peers: undefined, finder: undefined }
  context.say(`starting ${peerCount} nodes`)
  const bootstrap = await startPeers(context, bed)
  const { linked, idle } = await measureIdle(context, bed, bootstrap)
  const restart = await measureRestart(context, bed, bootstrap)
  return { text: printFigures({ linked, idle, restart }), figures: { linked, idle, restart } }
})

async function labBed({ cleanup }: BenchContext, product: Product): Promise<Bed> {
  const lab = cleanup.use(new Lab())
  const network = await lab.addNetwork()
  const [idle, peers, finder] = [
    await lab.addHost('idle', [network]), await lab.addHost('peers', [network]), await lab.addHost('finder', [network]),
  ]
  return { product, lab, idle, peers, finder }
}

/** Resolves to an address of one of them. */
async function startPeers({ folder, cleanup }: BenchContext, { product, lab, peers }: Bed): Promise<string> {
  let bootstrap: string | undefined
  for (let group = 0; group < groupCount; group++) {
    const setup: GroupSetup = {
      ...product,
      folder: join(folder, `group-${group}`),
      nodeCount: nodesPerGroup,
      listen: lab ? undefined : ['/ip4/127.0.0.1/tcp/0'],
      multicast: lab !== undefined,
      bootstrap: bootstrap === undefined ? [] : [bootstrap],
    }
    const script = join(import.meta.dirname, 'support/node-group.ts')
    const place = { namespace: peers?.namespace, env: { HOME: folder } }
    const worker = cleanup.use(new WorkerProcess<ToGroup, FromGroup>(`group ${group}`, script, setup, place))
    const { addresses } = await worker.next('ready')
    bootstrap ??= addresses.find((address) => address.startsWith(`/ip4/${peers?.addresses[0] ?? '127.0.0.1'}/`))
  }
  if (bootstrap === undefined) throw new BenchError('no node can be reached')
  return bootstrap
}

function startIdle(context: BenchContext, bed: Bed, at: LabHost | undefined, init: Partial<IdleSetup> & { storeDir: string }): IdleWorker {
  const setup: IdleSetup = {
    entry: bed.product.entry,
    bootstrap: [],
    multicast: bed.lab !== undefined,
    ...(!bed.lab && { listen: ['/ip4/127.0.0.1/tcp/0'] }),
    ...init,
  }
  const script = join(import.meta.dirname, 'support/idle-node.ts')
  return new WorkerProcess<ToIdle, FromIdle>('a node', script, setup, { namespace: at?.namespace, env: { HOME: context.folder } })
}

async function measureIdle(context: BenchContext, bed: Bed, bootstrap: string): Promise<{ linked: IdleFigures; idle: IdleFigures }> {
  const { folder, say } = context
  const storeDir = join(folder, 'store-idle')
  say(`a store of ${idleStore.blobCount} blobs`)
  await fillStore({ entry: bed.product.entry, storeDir, ...idleStore })
  await using node = startIdle(context, bed, bed.idle, { storeDir, bootstrap: [bootstrap] })
  await node.next('ready')
  node.send({ type: 'links', atLeast: peerCount })
  const linked = await Promise.race([node.next('linked'), pause(linkLimitMs, undefined, { ref: false })])
  if (!linked) throw new BenchError(`the node has no ${peerCount} links after ${linkLimitMs / 1000} s`)
  say(`${linked.count} links; idle for ${(settleMs + measureMs) / 1000} s`)
  // It tells the world what it has first: that is no idling yet, but belongs to the price.
  const justLinked = await observe(bed, node, settleMs)
  return { linked: justLinked, idle: await observe(bed, node, measureMs) }
}

async function observe({ lab, idle }: Bed, node: IdleWorker, forMs: number): Promise<IdleFigures> {
  const read = async (): Promise<{ usage: ProcessUsage; bytes: Awaited<ReturnType<Lab['traffic']>> | undefined; atMs: number }> => {
    node.send({ type: 'usage' })
    const { type: _, ...usage } = await node.next('usage')
    return { usage, bytes: lab && idle && (await lab.traffic(idle)), atMs: performance.now() }
  }
  const before = await read()
  await pause(forMs)
  const after = await read()
  const seconds = (after.atMs - before.atMs) / 1000
  const { cpuSeconds, ...usage } = after.usage
  const perSecond = (key: 'sentBytes' | 'receivedBytes' | 'sentPackets' | 'receivedPackets'): number =>
    round(((after.bytes?.[key] ?? 0) - (before.bytes?.[key] ?? 0)) / seconds, 1)
  return {
    ...usage,
    measuredMs: round(1000 * seconds),
    cpuPercent: round((100 * (cpuSeconds - before.usage.cpuSeconds)) / seconds, 2),
    ...(after.bytes && {
      sentBytesPerSecond: perSecond('sentBytes'),
      receivedBytesPerSecond: perSecond('receivedBytes'),
      packetsPerSecond: round(perSecond('sentPackets') + perSecond('receivedPackets'), 1),
    }),
  }
}

async function measureRestart(context: BenchContext, bed: Bed, bootstrap: string): Promise<RestartFigures> {
  const { folder, say } = context
  const storeDir = join(folder, 'store-restart')
  say(`a store of ${restartStore.blobCount} blobs`)
  const { manifests, layers } = await fillStore({ entry: bed.product.entry, storeDir, ...restartStore })
  await using linked = startIdle(context, bed, bed.finder, { storeDir: join(folder, 'store-linked'), bootstrap: [bootstrap] })
  await using walking = startIdle(context, bed, bed.finder, { storeDir: join(folder, 'store-walking'), bootstrap: [bootstrap], multicast: false })
  await Promise.all([linked.next('ready'), walking.next('ready')])
  for (const finder of [linked, walking]) {
    finder.send({ type: 'links', atLeast: 1 })
    await finder.next('linked')
  }
  say('starting a node on it')
  await using node = startIdle(context, bed, bed.idle, { storeDir, bootstrap: [bootstrap] })
  const since = (epochMs: number): number => round(epochMs - node.startedEpochMs)
  const recent = manifests.slice(-sampleOf)
  const sample = Array.from({ length: sampleCount }, (_, index) => recent[Math.floor((index * recent.length) / sampleCount)]).filter(
    (blob) => blob !== undefined,
  )
  const layerFound = find(linked, 'findOne', layers)
  const manifestFound = find(walking, 'findOne', recent.filter((blob) => !sample.includes(blob)))
  // Each is awaited below; the node may fail before.
  for (const found of [layerFound, manifestFound]) found.catch(() => {})
  const ready = await node.next('ready')
  say('it is up')
  const layerEpochMs = await layerFound
  say('a layer was found over a link')
  const manifestEpochMs = await manifestFound
  say(`a manifest was found; ${sampleCount} more are looked for`)
  const sampleEpochMs = await find(walking, 'findAll', sample)
  node.send({ type: 'usage' })
  const { cpuSeconds, rssBytes } = await node.next('usage')
  say('found; idle')
  return {
    blobCount: restartStore.blobCount,
    manifestCount: manifests.length,
    storeOpenMs: since(ready.storeEpochMs),
    nodeUpMs: since(ready.nodeEpochMs),
    layerFoundMs: since(layerEpochMs),
    manifestFoundMs: since(manifestEpochMs),
    sampleFoundMs: since(sampleEpochMs),
    sampleCount,
    cpuSeconds: round(cpuSeconds, 2),
    rssBytes,
    after: await observe(bed, node, values.short ? 10_000 : 30_000),
  }
}

async function find(finder: IdleWorker, type: 'findOne' | 'findAll', blobs: readonly FilledBlob[]): Promise<number> {
  finder.send({ type, blobs })
  const found = await Promise.race([finder.next('found'), pause(findLimitMs, undefined, { ref: false })])
  if (!found) throw new BenchError(`nothing was found in ${findLimitMs / 1000} s`)
  return found.epochMs
}
