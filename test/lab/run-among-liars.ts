import { isDeepStrictEqual } from 'node:util'
import type { Digest } from '../../src/core/digest.ts'
import { pieceLayout } from '../../src/core/piece-layout.ts'
import { seededRandom } from '../../src/core/random.ts'
import type { BlobContent } from '../../src/testing/seeded-content.ts'
import { limits } from '../../src/wire/protocol.ts'
import { sharedContent } from './contents.ts'
import { Lab } from './lab.ts'
import { nothing, type LabNode } from './lab-node.ts'
import { addLiar, liarKinds, type Liar } from './liars.ts'
import { Oracle } from './reader.ts'

/** Peers in all, liars and honest ones. */
const peers = 10
const originBytesPerSecond = 12_500_000
/** What a pull may take: half as long again as from the origin alone, and this. */
const patienceMs = 5000

/** A swarm with liars in it. */
export interface LiarRun {
  readonly seed: number
  /** Which part of all peers lies. */
  readonly part: number
  /** Whether honest nodes name each other as issuers whom they trust. */
  readonly trusting: boolean
}

/** What it came to. */
export interface LiarResult {
  readonly violations: readonly string[]
  readonly kinds: readonly string[]
  /** Of the node that waited longest, compared with the origin alone. */
  readonly slowestMs: number
  readonly originOnlyMs: number
  /** Of the node that wasted most, and what it may. */
  readonly mostWasted: number
  readonly mayWaste: number
}

/** Honest nodes pull a blob at once, from a healthy origin, among liars of random kinds. */
export async function runAmongLiars({ seed, part, trusting }: LiarRun): Promise<LiarResult> {
  const random = seededRandom(seed)
  const content = sharedContent(random.below(3), (6 + 2 * random.below(3)) * 256 * 1024)
  const lab = new Lab(seed, { originBytesPerSecond })
  const oracle = new Oracle(() => false)
  const violations: string[] = []
  const identities = await Promise.all(Array.from({ length: peers - Math.round(peers * part) }, () => lab.newHost()))
  const trustedIssuers = trusting ? identities.map(({ identity }) => identity.peerId.toString()) : []
  const nodes: LabNode[] = []
  for (const host of identities) nodes.push(await lab.addNode({ host, swarm: { trustedIssuers } }))
  const [first] = nodes
  // In half of the runs somebody has the blob already.
  if (first && random.below(2) === 0) await lab.time.until(read(lab, oracle, first, content))
  const liars: Liar[] = []
  while (nodes.length + liars.length < peers) {
    liars.push(await addLiar(lab, liarKinds[random.below(liarKinds.length)] ?? 'silent', content, liars))
  }
  const times = await lab.time.until(Promise.all(nodes.map(async (node) => {
    const startedMs = lab.time.now
    await read(lab, oracle, node, content).catch((error: unknown) => violations.push(`${node.name} failed: ${String(error)}`))
    return lab.time.now - startedMs
  })))
  const originOnlyMs = await originOnly(content, nodes.length)
  const slowestMs = Math.max(...times)
  if (slowestMs > 1.5 * originOnlyMs + patienceMs) violations.push(`a pull took ${Math.round(slowestMs)} ms, and ${Math.round(originOnlyMs)} ms from the origin alone`)
  const mostWasted = Math.max(...nodes.map((node) => wastedFor(node, content.digest)))
  const mayWaste = mostBytes(content, liars.length, trusting)
  if (mostWasted > mayWaste) violations.push(`${mostWasted} bytes were wasted, ${mayWaste} may be`)
  const names = new Map(nodes.map(({ peerId, name }) => [peerId, name]))
  for (const node of nodes) {
    for (const { name, peerId = '', reason } of node.told) {
      if (name === 'peer:banned' && names.has(peerId)) violations.push(`${node.name} banned ${names.get(peerId)}, which is honest, for its ${reason}`)
    }
  }
  for (const node of nodes) {
    const left = await lab.time.until(node.stop())
    if (!isDeepStrictEqual(left, nothing)) violations.push(`${node.name} leaves ${JSON.stringify(left)}`)
  }
  for (const { peer } of liars) await lab.time.until(peer[Symbol.asyncDispose]())
  return { violations: [...oracle.violations, ...violations], kinds: liars.map(({ kind }) => kind), slowestMs, originOnlyMs, mostWasted, mayWaste }
}

function read(lab: Lab, oracle: Oracle, node: LabNode, content: BlobContent): Promise<void> {
  return oracle.read({ node, content, origin: lab.origin.of(content, node), private: false, how: lab.random.below(2) === 0 ? 'fetch' : 'stream' })
}

/** With issuers to trust, a few pieces and what was under way; strangers cost one blob, once, before they are found out. */
function mostBytes(content: BlobContent, liars: number, trusting: boolean): number {
  const { sizeBytes, pieceLength } = pieceLayout(content.sizeBytes)
  const budget = Math.max(4 * pieceLength, sizeBytes / 10) + liars * limits.dataStreams * pieceLength
  return trusting ? budget : Math.max(sizeBytes, budget)
}

const alone = new Map<string, number>()

/** What so many nodes take that do not know of each other, and share what the origin can give. */
async function originOnly(content: BlobContent, count: number): Promise<number> {
  const key = `${content.digest} ${count}`
  const known = alone.get(key)
  if (known !== undefined) return known
  const lab = new Lab(1, { originBytesPerSecond })
  const nodes: LabNode[] = []
  while (nodes.length < count) nodes.push(await lab.addNode({ swarm: { discovery: [] } }))
  const oracle = new Oracle(() => false)
  await lab.time.until(Promise.all(nodes.map((node) => read(lab, oracle, node, content))))
  const tookMs = lab.time.now
  alone.set(key, tookMs)
  for (const node of nodes) await lab.time.until(node.stop())
  return tookMs
}

function wastedFor({ swarm }: LabNode, digest: Digest): number {
  return swarm.explain(digest).events.reduce((sum, event) => sum + (event.type === 'bytes:wasted' ? event.bytes : 0), 0)
}
