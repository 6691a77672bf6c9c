/**
 * What claims cost on the piece path: two nodes of a closed network on loopback, one pulls a blob from the other, by turns with claims as they
 * are and with claims stubbed (nothing signed, verified, weighed or kept but the hashes). Once from a node that has the whole blob (a claim for
 * 1,024 pieces), once from one that is still reading it from an origin (a claim for every few pieces).
 *
 *     npm run bench:claims -- [--json] [--short] [--size 256MiB] [--repeat 7]
 *
 * The machine is shared: throughput is compared turn by turn, CPU seconds of both processes in all.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { median, round } from './support/figures.ts'
import { printTable } from './support/table.ts'
import { parseCount, parseSize } from './support/units.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    size: { type: 'string' },
    repeat: { type: 'string' },
  },
})
const sizeBytes = parseSize(values.size ?? (values.short ? '64MiB' : '256MiB'))
const repeatCount = parseCount(values.repeat ?? (values.short ? '2' : '7'), 1)
const sources = ['whole', 'reading'] as const

/** How one pull went. */
interface Pull {
  readonly ms: number
  readonly cpuSeconds: number
}

/** With claims against without; above 1, claims cost. */
interface ClaimFigures {
  readonly from: (typeof sources)[number]
  readonly claimsMbPerSecond: number
  readonly stubbedMbPerSecond: number
  readonly throughputLoss: number
  readonly cpuRatio: number
}

const figures: ClaimFigures[] = []
let blobSeed = 1
for (const from of sources) {
  const turns: { claims: Pull; stubbed: Pull }[] = []
  await pull(from, false)
  for (let turn = 0; turn < repeatCount; turn++) {
    // Who is first changes by turns: the machine warms up, and cools down.
    const first = await pull(from, turn % 2 === 0)
    const second = await pull(from, turn % 2 !== 0)
    turns.push(turn % 2 === 0 ? { claims: second, stubbed: first } : { claims: first, stubbed: second })
  }
  const rate = (kind: 'claims' | 'stubbed'): number => median(turns.map((turn) => sizeBytes / 1000 / turn[kind].ms))
  const cpu = (kind: 'claims' | 'stubbed'): number => turns.reduce((sum, turn) => sum + turn[kind].cpuSeconds, 0)
  figures.push({
    from,
    claimsMbPerSecond: Math.round(rate('claims')),
    stubbedMbPerSecond: Math.round(rate('stubbed')),
    throughputLoss: round(1 - 1 / median(turns.map(({ claims, stubbed }) => claims.ms / stubbed.ms)), 3),
    cpuRatio: round(cpu('claims') / cpu('stubbed'), 3),
  })
}

if (!values.json) {
  console.log(
    printTable([
      ['from a node that is', 'MB/s with claims', 'stubbed', 'loss', 'CPU ratio'],
      ...figures.map((row) => [row.from, row.claimsMbPerSecond, row.stubbedMbPerSecond, `${round(100 * row.throughputLoss, 1)} %`, row.cpuRatio].map(String)),
    ]),
  )
}
console.log(JSON.stringify({ sizeBytes, repeatCount, figures }))

async function pull(from: (typeof sources)[number], stubbed: boolean): Promise<Pull> {
  const seed = String(blobSeed++)
  const start = (role: string, ...more: string[]): ChildProcess =>
    fork(new URL('support/claims-node.ts', import.meta.url), [role, seed, String(sizeBytes), String(stubbed), ...more])
  const giver = start(from)
  const [address] = (await once(giver, 'message')) as [string]
  const taker = start('taker', address)
  await once(taker, 'message')
  taker.send('go')
  if (from === 'reading') giver.send('go')
  const [took] = (await once(taker, 'message')) as [Pull]
  giver.send('report')
  const [gave] = (await once(giver, 'message')) as [Pull]
  for (const child of [giver, taker]) {
    child.disconnect()
    await once(child, 'exit')
  }
  return { ms: took.ms, cpuSeconds: took.cpuSeconds + gave.cpuSeconds }
}
