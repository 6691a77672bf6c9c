import type { PieceLayout } from '../../src/core/piece-layout.ts'
import { seededRandom, type Random } from '../../src/core/random.ts'
import type { SessionTuning } from '../../src/engine/session-tuning.ts'
import { LittleNode, type LittleNodeOptions } from './little-node.ts'
import { LittleOrigin, type LittleOriginOptions } from './little-origin.ts'
import { VirtualTime } from './virtual-time.ts'

export interface LittleSwarmOptions {
  readonly seed: number
  readonly pieceCount: number
  readonly pieceBytes?: number
  /** One way, between any two nodes. */
  readonly latencyMs: number
  readonly origin: LittleOriginOptions
  readonly tuning?: Partial<SessionTuning>
}

interface Wire {
  readonly a: LittleNode
  readonly b: LittleNode
  readonly aId: number
  readonly bId: number
  /** Messages arrive in the order they were sent, even if the delays would not have it so. */
  readonly arrivesMs: [number, number]
}

/**
 * A few nodes that run the production `step` against each other in virtual time, with one blob and one origin: no
 * bytes, no libp2p. The same seed gives the same run. What should never happen is collected in `problems`.
 */
export class LittleSwarm {
  readonly time = new VirtualTime()
  readonly random: Random
  readonly layout: PieceLayout
  readonly origin: LittleOrigin
  readonly nodes: LittleNode[] = []
  readonly problems: string[] = []
  readonly tuning: Partial<SessionTuning> | undefined
  /** Of all effects of all nodes, with their times: two equal runs have equal ones. */
  fingerprint = 0x811c9dc5
  readonly #latencyMs: number
  readonly #wires = new Set<Wire>()
  #nextLink = 1

  constructor(options: LittleSwarmOptions) {
    const { pieceCount, pieceBytes = 256 * 1024 } = options
    this.random = seededRandom(options.seed)
    this.layout = { sizeBytes: pieceCount * pieceBytes, pieceLength: pieceBytes, pieceCount }
    this.origin = new LittleOrigin(this.time, this.random, options.origin)
    this.tuning = options.tuning
    this.#latencyMs = options.latencyMs
  }

  add(options: LittleNodeOptions): LittleNode {
    const node = new LittleNode(this, this.nodes.length, options)
    this.nodes.push(node)
    return node
  }

  connect(a: LittleNode, b: LittleNode): void {
    if (a === b || !a.alive || !b.alive || this.#wireBetween(a, b)) return
    const wire: Wire = { a, b, aId: this.#nextLink++, bId: this.#nextLink++, arrivesMs: [0, 0] }
    this.#wires.add(wire)
    // Before anything that `a` says on it: what comes over a link that is not open yet is lost.
    this.#carry(wire, 0, () =>
      b.open(wire.bId, { node: a, theirs: wire.aId, carry: (act) => this.#carry(wire, 1, act) }),
    )
    a.open(wire.aId, { node: b, theirs: wire.bId, carry: (act) => this.#carry(wire, 0, act) })
  }

  /** Ends a link; each end notices after its own delay, and what was under way is lost. */
  cut(a: LittleNode, b: LittleNode, noticeMs: { a: number; b: number } = { a: 0, b: 0 }): void {
    const wire = this.#wireBetween(a, b)
    if (!wire) return
    this.#wires.delete(wire)
    this.time.after(wire.a === a ? noticeMs.a : noticeMs.b, () => wire.a.close(wire.aId))
    this.time.after(wire.b === b ? noticeMs.b : noticeMs.a, () => wire.b.close(wire.bId))
  }

  /** The process dies: what it stored stays. Its neighbours notice after `noticeMs`. */
  kill(node: LittleNode, noticeMs: number): void {
    for (const other of this.nodes) this.cut(node, other, { a: 0, b: noticeMs })
    node.kill()
  }

  /** Whether messages pass between two nodes. */
  isWired(a: LittleNode, b: LittleNode): boolean {
    return this.#wireBetween(a, b) !== undefined
  }

  run(untilMs: number, done?: () => boolean): void {
    this.time.run(untilMs, () => this.problems.length > 0 || (done?.() ?? false))
  }

  note(node: LittleNode, effect: object): void {
    const text = `${this.time.now} ${node.index} ${JSON.stringify(effect)}`
    for (let index = 0; index < text.length; index++) {
      this.fingerprint = Math.imul(this.fingerprint ^ text.charCodeAt(index), 0x01000193) >>> 0
    }
  }

  #wireBetween(a: LittleNode, b: LittleNode): Wire | undefined {
    for (const wire of this.#wires) {
      if ((wire.a === a && wire.b === b) || (wire.a === b && wire.b === a)) return wire
    }
    return undefined
  }

  #carry(wire: Wire, direction: 0 | 1, act: () => void): void {
    const delayMs = this.#latencyMs * (0.5 + this.random.next())
    const atMs = Math.max(this.time.now + delayMs, wire.arrivesMs[direction])
    wire.arrivesMs[direction] = atMs
    this.time.at(atMs, () => {
      if (this.#wires.has(wire)) act()
    })
  }
}
