import { isUnfinished } from '../../src/engine/link-state.ts'
import type { LittleNode } from '../support/little-node.ts'
import type { ChaosSwarm } from './chaos-swarm.ts'
import type { Shape } from './shape.ts'

/** How many read from the origin of a region at first, alone and among others, and at most; and how soon one more is added. */
const firstFetchers = 2
const firstFarFetchers = 4
const maxFetchers = 8
const addEveryMs = 1000
/** For so long after a crash, a partition or its end was noticed, leases of before may overlap with those of now. */
const graceMs = 4000
/** What a fetcher may die with: alone in its region, or with others to which the way is long. */
const nearLostPieces = 8
const farLostPieces = 24

/** Looks at a swarm between any two events: who reads from the origin, and whether that is more than may. */
export class Watch {
  readonly #swarm: ChaosSwarm
  readonly #shape: Shape
  readonly #firstMs = new Map<string, number>()
  #disturbedMs = -Infinity
  /** What each node read from the origin in this life while no neighbour wanted it: nobody could take it. */
  readonly #alone = new Map<LittleNode, Set<number>>()
  /** All that ever did. */
  readonly fetchers = new Set<LittleNode>()
  mostFetchers = 0

  constructor(swarm: ChaosSwarm, shape: Shape) {
    this.#swarm = swarm
    this.#shape = shape
  }

  /** A crash, a partition or its end, which all have noticed after `noticeMs`. */
  disturbed(noticeMs: number): void {
    this.#disturbedMs = this.#swarm.time.now + noticeMs
  }

  /**
   * A node dies. Says how many pieces may be read again: none for one that never read from the origin; otherwise as many as it may hold
   * alone, and those that it read while nobody near it wanted the blob, and none of the others has.
   */
  crashed(node: LittleNode, others: readonly LittleNode[]): number {
    const alone = this.#alone.get(node)
    this.#alone.delete(node)
    const lostPieces = this.#shape.regions > 1 ? farLostPieces : nearLostPieces
    if (!alone) return node.state.lease.pieces.count > 0 ? lostPieces : 0
    return lostPieces + [...alone].filter((piece) => !others.some(({ state }) => state.stored.has(piece))).length
  }

  look(): void {
    const { nodes, time } = this.#swarm
    const counts = new Map<string, number>()
    for (const node of nodes) {
      if (!node.alive || node.state.origin.runs.size === 0) continue
      this.fetchers.add(node)
      this.#noteAlone(node)
      const place = `${this.#swarm.sideOf(node)}/${this.#swarm.trackerOf(node).seat.region}`
      counts.set(place, (counts.get(place) ?? 0) + 1)
    }
    for (const [place, count] of counts) {
      const firstMs = this.#firstMs.get(place) ?? time.now
      this.#firstMs.set(place, firstMs)
      this.mostFetchers = Math.max(this.mostFetchers, count)
      if (this.#shape.misled || time.now - this.#disturbedMs <= graceMs) continue
      const first = this.#shape.regions > 1 ? firstFarFetchers : firstFetchers
      const added = Math.floor((time.now - firstMs) / addEveryMs)
      const allowed = this.#issuers() * (Math.min(maxFetchers, first + added) + this.#shape.supernodes)
      if (count > allowed) this.#swarm.problem(`${count} nodes read from the origin where ${allowed} may`)
    }
  }

  #noteAlone(node: LittleNode): void {
    const alone = this.#alone.get(node) ?? new Set()
    this.#alone.set(node, alone)
    const { nearestFirst, origin } = node.state
    if (nearestFirst.some((link) => !link.far && isUnfinished(link))) return
    for (const { first, count } of origin.runs.values()) {
      for (let piece = first; piece < first + count; piece++) alone.add(piece)
    }
  }

  /** Trackers that have leases out: more than one where nodes know of different ones. */
  #issuers(): number {
    if (this.#shape.views === 'agree') return 1
    const { nodes, time } = this.#swarm
    return Math.max(2, nodes.filter((node) => node.alive && this.#swarm.trackerOf(node).holders(time.now) > 0).length)
  }
}
