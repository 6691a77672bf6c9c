import { grown } from './index-heap.ts'
import type { Topology } from './topology.ts'

/** A link of a node, as its engine knows it. Both ends of a link differ in the last bit only. */
export type LinkEnd = number

/** All links of all nodes that ever were. */
export class LinkTable {
  readonly #topology: Topology
  #nodes = new Int32Array(1024)
  /** Whether the node at this end knows the link as open. */
  #open = new Uint8Array(1024)
  #distances = new Uint8Array(1024)
  /** Whether the node at this end has the other one as a guest: to join and to ask for leases, no more. */
  #guests = new Uint8Array(1024)
  /** When a guest last said something. */
  #heardMs = new Float64Array(1024)
  /** Whether anything still passes, whatever the ends know. */
  #cut = new Uint8Array(1024)
  #flowFreeMs = new Float64Array(1024)
  #used = 0

  constructor(topology: Topology) {
    this.#topology = topology
  }

  /** Links that were ever opened. */
  get count(): number {
    return this.#used / 2
  }

  /** Returns the end of `a`; neither end is open yet. */
  add(a: number, b: number): LinkEnd {
    if (this.#used === this.#nodes.length) this.#grow()
    const end = this.#used
    this.#used += 2
    this.#nodes[end] = a
    this.#nodes[end + 1] = b
    this.#distances[end >> 1] = this.#topology.distance(a, b)
    return end
  }

  nodeAt(end: LinkEnd): number {
    return this.#nodes[end]!
  }

  distance(end: LinkEnd): number {
    return this.#distances[end >> 1]!
  }

  isFar(end: LinkEnd): boolean {
    return this.#distances[end >> 1] === 3
  }

  isOpen(end: LinkEnd): boolean {
    return this.#open[end] === 1
  }

  open(end: LinkEnd): void {
    this.#open[end] = 1
  }

  close(end: LinkEnd): void {
    this.#open[end] = 0
  }

  isGuest(end: LinkEnd): boolean {
    return this.#guests[end] === 1
  }

  /** The node at this end takes the other one in as a guest. */
  receiveGuest(end: LinkEnd): void {
    this.#guests[end] = 1
  }

  heardMs(end: LinkEnd): number {
    return this.#heardMs[end]!
  }

  hear(end: LinkEnd, now: number): void {
    this.#heardMs[end] = now
  }

  /** Nothing passes any more, in either direction. */
  cut(end: LinkEnd): void {
    this.#cut[end >> 1] = 1
  }

  isCut(end: LinkEnd): boolean {
    return this.#cut[end >> 1] === 1
  }

  /** When what leaves one end now is at the other. */
  arrivalMs(end: LinkEnd, now: number): number {
    const passesMs = this.#topology.passesMs(this.#nodes[end]!, this.#nodes[end ^ 1]!, now)
    return passesMs + this.#topology.latencyMs(this.#distances[end >> 1]!)
  }

  /** Takes the flow that leaves this end for as long as `bytes` need at `rate`; returns when it is through. */
  passFlow(end: LinkEnd, firstByteMs: number, bytes: number, rate: number): number {
    const throughMs = Math.max(this.#flowFreeMs[end]!, firstByteMs) + bytes / rate
    this.#flowFreeMs[end] = throughMs
    return throughMs
  }

  #grow(): void {
    const length = 2 * this.#used
    this.#nodes = grown(this.#nodes, new Int32Array(length))
    this.#open = grown(this.#open, new Uint8Array(length))
    this.#distances = grown(this.#distances, new Uint8Array(length))
    this.#guests = grown(this.#guests, new Uint8Array(length))
    this.#heardMs = grown(this.#heardMs, new Float64Array(length))
    this.#cut = grown(this.#cut, new Uint8Array(length))
    this.#flowFreeMs = grown(this.#flowFreeMs, new Float64Array(length))
  }
}
