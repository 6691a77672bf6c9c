import { digestFromBytes, type Digest } from '../../src/core/digest.ts'
import { compareRank } from '../../src/engine/ranks.ts'
import type { LeasedBlob } from '../../src/engine/tracker-event.ts'
import type { LittleNode, LittleNodeOptions } from '../support/little-node.ts'
import { LittleSwarm, type LittleSwarmOptions } from '../support/little-swarm.ts'
import { ChaosTracker } from './chaos-tracker.ts'
import { indexOf } from './node-keys.ts'
import type { TrackerSeat } from './tracker-seat.ts'

/** A host that is not there answers nothing; one whose process died refuses at once. */
const silentDialMs = 10_000
/** What is dead or cut off without a word is noticed after so long at the latest. */
export const noticeMs = 3000
/** Links that can be opened again are, within this time. */
export const relinkMs = 300

export interface ChaosSwarmOptions extends LittleSwarmOptions {
  readonly place: Uint8Array
  readonly nodes: readonly { readonly seat: TrackerSeat; readonly node: LittleNodeOptions }[]
  /** Pairs of nodes that are linked from the start. */
  readonly pairs: readonly (readonly [number, number])[]
}

/** A little swarm whose nodes are trackers for each other; hosts die, and the network falls apart and heals. */
export class ChaosSwarm extends LittleSwarm {
  readonly blob: LeasedBlob
  readonly topic: Digest
  /** Names of nodes that lie about what they hold. */
  readonly liars: readonly string[]
  /** Whether all effects are hashed: that is for comparing runs, and costs as much as the run. */
  keepsFingerprint = false
  readonly #seats: readonly TrackerSeat[]
  readonly #trackers: ChaosTracker[] = []
  readonly #pairs: ChaosSwarmOptions['pairs']
  readonly #latencyMs: number
  /** Which part of the network each node is in. */
  #sides: readonly number[]
  /** Dead nodes whose hosts say nothing. */
  readonly #silent = new Set<LittleNode>()

  constructor(options: ChaosSwarmOptions) {
    super(options)
    const { place, nodes, pairs, latencyMs } = options
    this.#latencyMs = latencyMs
    this.#pairs = pairs
    this.#sides = nodes.map(() => 0)
    this.#seats = nodes.map(({ seat }) => seat)
    this.topic = digestFromBytes(place)
    const { sizeBytes, pieceCount, pieceLength } = this.layout
    this.blob = { digest: this.topic, place, sizeBytes, pieceCount, pieceLength }
    for (const { node } of nodes) {
      this.add({
        ...node,
        companion: (of) => {
          const tracker = new ChaosTracker(this, of, this.#seatAt(of.index))
          this.#trackers.push(tracker)
          return tracker
        },
      })
    }
    this.liars = this.nodes.flatMap(({ behaviour, index }) => (behaviour === 'honest' ? [] : [this.#seatAt(index).ranked.key]))
    for (const node of this.nodes) this.#linkLater(node, 50)
  }

  trackerOf(node: LittleNode): ChaosTracker {
    const tracker = this.#trackers[node.index]
    if (!tracker) throw new RangeError(`node ${node.index} is no tracker`)
    return tracker
  }

  seatOf(key: string): TrackerSeat {
    return this.#seatAt(indexOf(key))
  }

  sideOf(node: LittleNode): number {
    return this.#sides[node.index] ?? 0
  }

  /** The node that is to be the blob's tracker, of those that live. */
  nearest(): LittleNode | undefined {
    const [first] = this.nodes
      .filter(({ alive }) => alive)
      .toSorted((a, b) => compareRank(this.#seatAt(a.index).ranked, this.#seatAt(b.index).ranked, this.blob.place))
    return first
  }

  override note(node: LittleNode, effect: object): void {
    if (this.keepsFingerprint) super.note(node, effect)
  }

  problem(what: string): void {
    this.problems.push(`at ${Math.round(this.time.now)} ms: ${what}`)
  }

  override connect(a: LittleNode, b: LittleNode): void {
    if (!this.#isReachable(a, b) || this.isWired(a, b)) return
    a.closeStale(b)
    b.closeStale(a)
    super.connect(a, b)
  }

  /** What becomes of a dial, and after how long. */
  dial(from: LittleNode, key: string): { readonly delayMs: number; readonly reached: () => boolean } {
    const to = this.nodes[indexOf(key)]
    const silent = !to || this.sideOf(from) !== this.sideOf(to) || (!to.alive && this.#silent.has(to))
    const roundTripMs = 2 * this.#latencyMs * (0.5 + this.random.next())
    return {
      delayMs: silent ? silentDialMs : roundTripMs,
      reached: () => {
        if (to) this.connect(from, to)
        return to !== undefined && this.isWired(from, to)
      },
    }
  }

  /** A process dies; `silently`, its neighbours notice only after a while. */
  crash(node: LittleNode, silently: boolean): void {
    for (const other of this.nodes) {
      this.cut(node, other, { a: 0, b: silently ? this.random.below(noticeMs) : this.random.below(this.#latencyMs + 1) })
    }
    if (silently) this.#silent.add(node)
    this.kill(node, 0)
  }

  /** It starts again, with what it had stored; whoever waits for the blob says so when it has links. */
  restart(node: LittleNode): void {
    const { wanted } = node
    this.#silent.delete(node)
    node.wanted = false
    node.revive()
    this.#linkLater(node, relinkMs)
    if (wanted) this.time.after(2 * relinkMs, () => node.want())
  }

  /** The network falls apart: nobody hears anything from the other side, nor that it cannot be reached. */
  split(sides: readonly number[]): void {
    this.#sides = sides
    for (const a of this.nodes) {
      for (const b of this.nodes) {
        if (a.index >= b.index || this.sideOf(a) === this.sideOf(b)) continue
        this.cut(a, b, { a: this.random.below(noticeMs), b: this.random.below(noticeMs) })
      }
    }
  }

  /** Into how many parts nodes fall between which messages pass, over others or directly. */
  parts(nodes: readonly LittleNode[]): number {
    const left = new Set(this.nodes)
    let parts = 0
    for (const start of nodes) {
      if (!left.delete(start)) continue
      parts++
      const reached = [start]
      for (const node of reached) {
        for (const other of left) {
          if (!this.isWired(node, other)) continue
          left.delete(other)
          reached.push(other)
        }
      }
    }
    return parts
  }

  heal(): void {
    this.#sides = this.nodes.map(() => 0)
    for (const node of this.nodes) this.#linkLater(node, relinkMs)
  }

  #seatAt(index: number): TrackerSeat {
    const seat = this.#seats[index]
    if (!seat) throw new RangeError(`there is no node ${index}`)
    return seat
  }

  #isReachable(a: LittleNode, b: LittleNode): boolean {
    return a.alive && b.alive && this.sideOf(a) === this.sideOf(b)
  }

  #linkLater(node: LittleNode, withinMs: number): void {
    for (const pair of this.#pairs) {
      const [a, b] = pair.map((index) => this.nodes[index])
      if (a && b && (a === node || b === node)) this.time.after(this.random.below(withinMs), () => this.connect(a, b))
    }
  }
}
