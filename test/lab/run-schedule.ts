import { isDeepStrictEqual } from 'node:util'
import { digestToBytes, type Digest } from '../../src/core/digest.ts'
import { SwarmError } from '../../src/core/errors.ts'
import { pieceLayout } from '../../src/core/piece-layout.ts'
import type { BlobContent } from '../../src/testing/seeded-content.ts'
import { sharedContent } from './contents.ts'
import { inflict } from './faults.ts'
import { Lab } from './lab.ts'
import { nothing, type LabNode } from './lab-node.ts'
import { Oracle } from './reader.ts'
import { faultsEndMs, type Schedule, type ScheduledRead } from './schedule.ts'

/** What a run came to. */
export interface RunResult {
  readonly trace: number
  readonly events: number
  readonly virtualMs: number
  readonly deliveredBytes: number
  /** Reads that ended as they should, that failed, and that died with their node. */
  readonly reads: { readonly ok: number; readonly aborted: number; readonly failed: number; readonly lost: number }
  /** What was not as it must be; nothing when all is well. */
  readonly violations: readonly string[]
}

/** So long after the last fault, who was cut off has had time to notice that it is not any more. */
const calmMs = 3000
/** So long nobody asks an origin for what it had wrong twice. */
const wrongOriginMs = 31_000
/** When all is well again, nobody waits longer for a blob. */
const patienceMs = 60_000
/** A read that was begun in the midst of faults ends, well or not, in so much time. */
const longestReadMs = 300_000

/** Runs a schedule in a lab, and holds what happened against the ten invariants of a run. */
export async function runSchedule(schedule: Schedule): Promise<RunResult> {
  const rejections: unknown[] = []
  const onRejection = (reason: unknown): void => void rejections.push(reason)
  process.on('unhandledRejection', onRejection)
  try {
    const run = new ScheduledRun(schedule)
    const result = await run.run()
    return { ...result, violations: [...result.violations, ...rejections.map((reason) => `I8: nobody took ${String(reason)}`)] }
  } finally {
    process.off('unhandledRejection', onRejection)
  }
}

interface Pending {
  readonly node: LabNode
  /** Which process it was begun in. */
  readonly start: number
  done: boolean
}

class ScheduledRun {
  readonly #schedule: Schedule
  readonly #lab: Lab
  readonly #contents: readonly BlobContent[]
  readonly #oracle = new Oracle(() => this.#lab.origin.misled.size > 0)
  readonly #violations: string[] = []
  readonly #pending: Pending[] = []
  readonly #reads = { ok: 0, aborted: 0, failed: 0, lost: 0 }

  constructor(schedule: Schedule) {
    this.#schedule = schedule
    this.#lab = new Lab(schedule.seed, { originBytesPerSecond: schedule.originBytesPerSecond })
    this.#contents = schedule.blobs.map(({ contentSeed, sizeBytes }) => sharedContent(contentSeed, sizeBytes))
  }

  async run(): Promise<RunResult> {
    const lab = this.#lab
    this.#listenForSecrets()
    for (const { bytesPerSecond } of this.#schedule.nodes) {
      await lab.addNode({ uplinkBytesPerSecond: bytesPerSecond, downlinkBytesPerSecond: bytesPerSecond })
    }
    this.#plan()
    await lab.time.run(faultsEndMs(this.#schedule) + calmMs)
    await lab.time.run(longestReadMs, () => this.#pending.every((pending) => this.#isOver(pending)))
    this.#reads.lost = this.#pending.filter(({ done }) => !done).length
    for (const pending of this.#pending) {
      if (!this.#isOver(pending)) this.#violations.push(`a read of ${pending.node.name} has not ended after ${longestReadMs} ms`)
    }
    await this.#readAgain()
    await this.#checkStores()
    this.#checkEvents()
    this.#checkWaste()
    await this.#stop()
    const { trace, events, now } = lab.time
    const violations = [...new Set([...this.#oracle.violations, ...this.#violations])]
    return { trace, events, virtualMs: now, deliveredBytes: this.#oracle.deliveredBytes, reads: this.#reads, violations }
  }

  #plan(): void {
    const { time } = this.#lab
    for (const read of this.#schedule.reads) time.at(read.atMs, () => this.#begin(read))
    for (const { atMs, ...fault } of this.#schedule.faults) {
      time.at(atMs, () => {
        const victim = fault.kind === 'kill' ? this.#lab.nodes[fault.a] : undefined
        const ran = victim?.running ?? false
        inflict(this.#lab, fault)
        if (fault.kind === 'kill' && victim && ran) time.after(fault.restartAfterMs, () => void this.#restart(victim))
      })
    }
  }

  async #restart(node: LabNode): Promise<void> {
    try {
      await node.start()
    } catch (error) {
      this.#violations.push(`${node.name} did not start again: ${String(error)}`)
    }
  }

  #begin(read: ScheduledRead): void {
    const node = this.#lab.nodes[read.node]
    if (!node?.running) return
    const pending: Pending = { node, start: node.starts, done: false }
    this.#pending.push(pending)
    const controller = new AbortController()
    if (read.abortAfterMs !== undefined) this.#lab.time.after(read.abortAfterMs, () => controller.abort(new DOMException('not wanted any more', 'AbortError')))
    this.#read(node, read.blob, read.how, controller.signal).then(
      () => {
        pending.done = true
        this.#reads.ok++
      },
      (error: unknown) => {
        pending.done = true
        this.#judge(error, node, controller.signal)
      },
    )
  }

  #read(node: LabNode, blob: number, how: ScheduledRead['how'], signal?: AbortSignal): Promise<void> {
    const content = this.#contents[blob]
    const isPrivate = this.#schedule.blobs[blob]?.private ?? false
    if (!content) throw new TypeError(`there is no blob ${blob}`)
    const origin = this.#lab.origin.of(content, node, { private: isPrivate })
    return this.#oracle.read({ node, content, origin, private: isPrivate, how, signal })
  }

  /** I10, and whether there was cause to fail. */
  #judge(error: unknown, node: LabNode, signal: AbortSignal): void {
    this.#lab.time.note('failed', node.name, error instanceof SwarmError ? error.code : String(error))
    if (signal.aborted && error === signal.reason) {
      this.#reads.aborted++
      return
    }
    this.#reads.failed++
    if (!(error instanceof SwarmError)) {
      this.#violations.push(`I10: ${node.name} failed with ${inspected(error)}`)
    } else if (!this.#schedule.faults.some(({ kind }) => kind === 'origin' || kind === 'origin-down')) {
      this.#violations.push(`${node.name} failed though the origin was well: ${inspected(error)}`)
    }
  }

  #isOver({ node, start, done }: Pending): boolean {
    return done || !node.running || node.starts !== start
  }

  /** All is well by now, so everybody gets what it wanted. */
  async #readAgain(): Promise<void> {
    const { time, nodes, origin } = this.#lab
    origin.faults.length = 0
    // An origin that was wrong is left alone for a while.
    if (origin.misled.size > 0) await time.run(time.now + wrongOriginMs)
    const wanted = new Map(this.#schedule.reads.map((read) => [`${read.node} ${read.blob}`, read]))
    const failed: string[] = []
    let left = wanted.size
    for (const { node: index, blob } of wanted.values()) {
      const node = nodes[index]
      if (!node?.running) {
        failed.push(`node ${index} does not run`)
        left--
        continue
      }
      this.#read(node, blob, 'part')
        .catch((error: unknown) => failed.push(`${node.name} failed when all was well: ${inspected(error)}`))
        .finally(() => left--)
    }
    if (!(await time.run(time.now + patienceMs, () => left === 0))) failed.push(`${left} reads had not ended ${patienceMs} ms after all was well`)
    this.#violations.push(...failed)
  }

  /** I3 and I4: what was said to be stored is there, and what is there is what its name says. */
  async #checkStores(): Promise<void> {
    for (const { name, disk, committed } of this.#lab.nodes) {
      for (const content of this.#contents) {
        const sizeBytes = await disk.backend.stat(content.digest)
        if (sizeBytes === undefined) {
          if (committed.has(content.digest)) this.#violations.push(`I4: ${name} has lost ${content.digest}`)
          continue
        }
        const bytes = await disk.backend.read(content.digest, { offset: 0, length: sizeBytes })
        const wanted = content.read({ offset: 0, length: content.sizeBytes })
        if (Buffer.compare(bytes, wanted) !== 0) this.#violations.push(`I3: ${name} keeps other bytes under ${content.digest}`)
      }
    }
  }

  /** I5 and I9. */
  #checkEvents(): void {
    const { nodes, origin } = this.#lab
    // Who signed for what a wrong origin gave it has said what is not so, however honest it was.
    const honest = new Map(nodes.filter((node) => node.honest && !origin.misled.has(node.name)).map((node) => [node.peerId, node.name]))
    for (const node of nodes) {
      const acquitted = new Set(node.running ? this.#contents.flatMap(({ digest }) => acquittedFor(node, digest)) : [])
      for (const { name, peerId = '', reason } of node.told) {
        const innocent = name === 'peer:banned' && !acquitted.has(peerId) && honest.get(peerId)
        if (innocent) this.#violations.push(`I5: ${node.name} banned ${innocent}, which is honest, for its ${reason}`)
      }
      if (node.leaks.length > 0) this.#violations.push(`I9: ${node.name} logged a secret: ${node.leaks[0]}`)
    }
  }

  /**
   * I6. Strangers whose claims nobody contradicts cost one blob; contradicted ones the budget, and what was under way when it was used up.
   * Whom a wrong origin misled has wasted what that gave.
   */
  #checkWaste(): void {
    const { nodes, origin } = this.#lab
    for (const node of nodes) {
      if (!node.running || origin.misled.size > 0) continue
      for (const { digest, sizeBytes } of this.#contents) {
        const wasted = wastedFor(node, digest)
        const mostBytes = 2 * sizeBytes + Math.max(4 * pieceLayout(sizeBytes).pieceLength, sizeBytes / 10)
        if (wasted > mostBytes) this.#violations.push(`I6: ${node.name} wasted ${wasted} bytes on ${digest} of ${sizeBytes} bytes`)
      }
    }
  }

  /** Outside a closed network, no frame may name a blob that came with credentials; nor may any hold the canary. */
  #listenForSecrets(): void {
    const secrets = this.#contents.filter((_, blob) => this.#schedule.blobs[blob]?.private).map(({ digest }) => Buffer.from(digestToBytes(digest)))
    const publics = new Set(this.#contents.filter((_, blob) => !this.#schedule.blobs[blob]?.private).map(({ digest }) => digest))
    const hidden = secrets.filter((secret) => !publics.has(`sha256:${secret.toString('hex')}`))
    hidden.push(Buffer.from(this.#lab.canary))
    this.#lab.network.tap = (frame) => {
      if (frame.kind !== 'data' || frame.bytes.byteLength > 8192) return
      const bytes = Buffer.from(frame.bytes.subarray())
      if (hidden.some((secret) => bytes.includes(secret))) this.#violations.push('I9: a secret went from node to node')
    }
  }

  /** I7: what is left of nodes when they are closed, and their blobs deleted. */
  async #stop(): Promise<void> {
    const { time, nodes, network } = this.#lab
    for (const node of nodes) {
      if (!node.running) continue
      const left = await time.until(node.stop())
      if (!isDeepStrictEqual(left, nothing)) this.#violations.push(`I7: ${node.name} leaves ${JSON.stringify(left)}`)
    }
    await time.run(time.now + 1000)
    for (const node of nodes) if (node.running && node.libp2p.streamCount > 0) this.#violations.push(`I7: ${node.name} has streams left`)
    if (network.connectionCount > nodes.length ** 2) this.#violations.push(`I7: ${network.connectionCount} connections are left`)
  }
}

/** Peers that were banned for a blob, and then not any more: what they were convicted by turned out wrong. */
function acquittedFor({ swarm }: LabNode, digest: Digest): string[] {
  return swarm.explain(digest).events.flatMap((event) => (event.type === 'peer:acquitted' ? [event.peerId] : []))
}

function wastedFor({ swarm }: LabNode, digest: Digest): number {
  return swarm.explain(digest).events.reduce((sum, event) => sum + (event.type === 'bytes:wasted' ? event.bytes : 0), 0)
}

function inspected(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : ` (${inspected(error.cause)})`
  return `${'code' in error ? String(error.code) : error.name}: ${error.message}${cause}`
}
