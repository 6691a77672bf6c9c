/**
 * A node under attack: one node serves two honest peers, first in calm, then while others break the protocol, flood it, trickle, read nothing and
 * open sockets that never speak (B8 to B16), all at once. The attackers are a process of their own,
 * but share the cores of one machine with the others: says what they took of them. Says what is left of the honest peers' rate, and whether memory and handles come back.
 *
 *     npm run bench:hostile -- [--json] [--short] [--size 64MiB] [--seconds 15] [--only B14,B15]
 */
import { cpus } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { runBench } from './support/bench-run.ts'
import { round } from './support/figures.ts'
import type { FromAttacker, FromPeer, FromServer, HostilePeerSetup, ToPeer, ToServer } from './support/hostile-messages.ts'
import { printTable } from './support/table.ts'
import { parseCount, parseSize, printMib } from './support/units.ts'
import { WorkerProcess } from './support/worker-process.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    size: { type: 'string', default: '64MiB' },
    seconds: { type: 'string' },
    only: { type: 'string' },
  },
})
const seconds = parseCount(values.seconds ?? (values.short ? '6' : '15'), 1)
const asked = 0.7
const honestPeers = 2
const support = join(import.meta.dirname, 'support')

type Server = WorkerProcess<ToServer, FromServer>
type Peer = WorkerProcess<ToPeer, FromPeer>
type Use = Extract<FromServer, { type: 'use' }>

await runBench('hostile', values.json, async ({ folder, cleanup, say }) => {
  const setup = { storeDir: join(folder, 'store'), seed: 1, sizeBytes: parseSize(values.size) }
  const server: Server = cleanup.use(new WorkerProcess('server', join(support, 'hostile-server.ts'), setup))
  const { addresses } = await server.next('ready')
  const peerSetup: HostilePeerSetup = { ...setup, addresses, only: values.only?.split(',') }
  const peers: Peer[] = Array.from({ length: honestPeers }, (_, index) =>
    cleanup.use(new WorkerProcess(`peer ${index}`, join(support, 'hostile-client.ts'), peerSetup)),
  )
  for (const peer of peers) await peer.next('ready')
  server.send({ type: 'load', on: true })
  say('warming up')
  await pause(3000)
  say(`calm, ${seconds} s`)
  const calm = await measure(server, peers)
  const before = await useOf(server, true)
  const attacker = cleanup.use(new WorkerProcess<ToPeer, FromAttacker>('attacker', join(support, 'hostile-attacker.ts'), peerSetup))
  await attacker.next('ready')
  say('the attack begins')
  await allAt(attacker)
  const cpuBefore = await attack(attacker)
  say(`under attack, ${seconds} s`)
  const hostile = await measure(server, peers)
  const { acts, cpuSeconds } = await attack(attacker)
  const during = await useOf(server, true)
  await attacker.kill()
  server.send({ type: 'load', on: false })
  say('afterwards')
  await pause(12_000)
  const after = await useOf(server, true)
  const ratio = round(hostile.mbPerSecond / calm.mbPerSecond, 2)
  const figures = {
    seconds,
    calmMbPerSecond: calm.mbPerSecond,
    hostileMbPerSecond: hostile.mbPerSecond,
    ratio,
    asked,
    /** The same for each CPU second of the node: what other work on the machine does not change. */
    ratioPerCpuSecond: round(hostile.mbPerSecond / hostile.serverCpu / (calm.mbPerSecond / calm.serverCpu), 2),
    wrongPieces: hostile.wrongPieces,
    lostLinks: hostile.lostLinks,
    cores: cpus().length,
    cpuShare: { server: hostile.serverCpu, honest: hostile.honestCpu, attackers: round((cpuSeconds - cpuBefore.cpuSeconds) / seconds, 2) },
    calmCpuShare: { server: calm.serverCpu, honest: calm.honestCpu },
    before: before.use,
    during: during.use,
    after: after.use,
    blobsLoadedInCalm: calm.blobsLoaded,
    blobsLoadedUnderAttack: hostile.blobsLoaded,
    acts,
    counters: after.counters,
  }
  return { text: textOf(figures), figures, ...(hostile.wrongPieces > 0 && { failed: 'an honest peer was given wrong bytes' }) }
})

interface Measured {
  readonly mbPerSecond: number
  readonly wrongPieces: number
  readonly lostLinks: number
  /** Cores that were busy. */
  readonly serverCpu: number
  readonly honestCpu: number
  readonly blobsLoaded: number
}

async function measure(server: Server, peers: readonly Peer[]): Promise<Measured> {
  const startMs = performance.now()
  const [serverBefore, before] = [await useOf(server), await Promise.all(peers.map(countOf))]
  await pause(seconds * 1000)
  const [serverAfter, after] = [await useOf(server), await Promise.all(peers.map(countOf))]
  const elapsed = (performance.now() - startMs) / 1000
  const grown = (field: 'bytes' | 'wrongPieces' | 'lostLinks' | 'cpuSeconds'): number =>
    after.reduce((total, count, index) => total + count[field] - (before[index]?.[field] ?? 0), 0)
  return {
    mbPerSecond: round(grown('bytes') / 1e6 / elapsed, 1),
    wrongPieces: grown('wrongPieces'),
    lostLinks: grown('lostLinks'),
    serverCpu: round((serverAfter.use.cpuSeconds - serverBefore.use.cpuSeconds) / elapsed, 2),
    honestCpu: round(grown('cpuSeconds') / elapsed, 2),
    blobsLoaded: serverAfter.blobsLoaded - serverBefore.blobsLoaded,
  }
}

async function useOf(server: Server, collect = false): Promise<Use> {
  server.send({ type: 'use', collect })
  return await server.next('use')
}

async function countOf(peer: Peer): Promise<Extract<FromPeer, { type: 'count' }>> {
  peer.send({ type: 'count' })
  return await peer.next('count')
}

/** All of them have begun. */
async function allAt(attacker: WorkerProcess<ToPeer, FromAttacker>): Promise<void> {
  for (let waited = 0; waited < 60; waited++) {
    await pause(1000)
    const { acts } = await attack(attacker)
    if (Object.values(acts).every((count) => count > 0)) return
  }
}

async function attack(attacker: WorkerProcess<ToPeer, FromAttacker>): Promise<Extract<FromAttacker, { type: 'count' }>> {
  attacker.send({ type: 'count' })
  return await attacker.next('count')
}

interface Figures {
  readonly calmMbPerSecond: number
  readonly hostileMbPerSecond: number
  readonly ratio: number
  readonly ratioPerCpuSecond: number
  readonly lostLinks: number
  readonly cores: number
  readonly cpuShare: { readonly server: number; readonly honest: number; readonly attackers: number }
  readonly calmCpuShare: { readonly server: number; readonly honest: number }
  readonly before: Use['use']
  readonly during: Use['use']
  readonly after: Use['use']
  readonly blobsLoadedUnderAttack: number
  readonly acts: Readonly<Record<string, number>>
  readonly counters: Readonly<Record<string, number>>
}

function textOf(figures: Figures): string {
  const { before, during, after, cpuShare, calmCpuShare } = figures
  const row = (name: string, { rssBytes, heapBytes, buffersBytes, handles, links }: Use['use']): string[] => [
    name, printMib(rssBytes), printMib(heapBytes), printMib(buffersBytes), String(handles), String(links),
  ]
  const counted = (counts: Readonly<Record<string, number>>): string => Object.entries(counts).map(([name, count]) => `${name}: ${count}`).join('; ')
  return [
    `honest peers: ${figures.calmMbPerSecond} MB/s calm, ${figures.hostileMbPerSecond} MB/s under attack: ${figures.ratio} of it (asked ${asked}), ${figures.ratioPerCpuSecond} for each CPU second of the node; ${figures.lostLinks} links lost`,
    `busy cores of ${figures.cores}: server ${cpuShare.server}, honest peers ${cpuShare.honest}, attackers ${cpuShare.attackers} (calm: server ${calmCpuShare.server}, honest peers ${calmCpuShare.honest})`,
    printTable([['the node', 'RSS', 'heap', 'buffers', 'handles', 'links'], row('calm', before), row('under attack', during), row('12 s later', after)]),
    `${figures.blobsLoadedUnderAttack} blobs of 1 MiB were loaded meanwhile, which attackers said they had`,
    `attacks: ${counted(figures.acts)}`,
    `counters: ${counted(figures.counters)}`,
  ].join('\n')
}
