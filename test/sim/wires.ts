import { FifoServers } from './fifo-servers.ts'
import type { LinkEnd, LinkTable } from './link-table.ts'
import type { SimOptions } from './sim-options.ts'
import type { Topology } from './topology.ts'

/** What lies between an uplink and a node: the flow's own limit and the pipes of the regions, then the downlink. */
export class Wires {
  /** Bytes that came into each region through its pipe. */
  readonly importedBytes: Float64Array
  readonly #options: SimOptions
  readonly #topology: Topology
  readonly #links: LinkTable
  readonly #down: FifoServers
  readonly #pipesOut: FifoServers
  readonly #pipesIn: FifoServers

  constructor(options: SimOptions, topology: Topology, links: LinkTable) {
    this.#options = options
    this.#topology = topology
    this.#links = links
    this.#down = new FifoServers(topology.down)
    this.#pipesOut = new FifoServers(new Float64Array(options.regions).fill(options.wan ?? Infinity))
    this.#pipesIn = new FifoServers(new Float64Array(options.regions).fill(options.wan ?? Infinity))
    this.importedBytes = new Float64Array(options.regions)
  }

  /** When what left the end's uplink from `firstByteMs` to `now` is before the other's downlink, and when its first byte was. */
  cross(end: LinkEnd, firstByteMs: number, bytes: number, now: number): number {
    const arrivalMs = this.#links.arrivalMs(end, now)
    if (!this.#links.isFar(end)) return arrivalMs
    const [from, to] = [this.#topology.region(this.#links.nodeAt(end)), this.#topology.region(this.#links.nodeAt(end ^ 1))]
    const flowMs = Math.max(now, this.#links.passFlow(end, firstByteMs, bytes, this.#options.flowCap))
    const outMs = this.#pipesOut.pass(from, firstByteMs, flowMs, bytes)
    const inMs = this.#pipesIn.pass(to, firstByteMs, outMs, bytes)
    this.importedBytes[to] = this.importedBytes[to]! + bytes
    return inMs + (arrivalMs - now)
  }

  /** When what the origin sent from `firstByteMs` to `now` is before the node's downlink. */
  crossFromOrigin(node: number, firstByteMs: number, bytes: number, now: number): number {
    const latencyMs = this.#topology.originLatencyMs(node)
    const region = this.#topology.region(node)
    // The origin stands in the first region, but not behind its pipe.
    if (region === 0) return now + latencyMs
    this.importedBytes[region] = this.importedBytes[region]! + bytes
    return this.#pipesIn.pass(region, firstByteMs, now, bytes) + latencyMs
  }

  /** When a node has all of what begins to come at `firstByteMs` and has come now. */
  receive(node: number, firstByteMs: number, bytes: number, now: number): number {
    return this.#down.pass(node, firstByteMs, now, bytes)
  }

  /** Whether a node is so far behind that who sends it something that would be there at `lastByteMs` is held up. */
  holdsUp(node: number, firstByteMs: number, lastByteMs: number, bytes: number): boolean {
    return this.#down.delayMs(node, firstByteMs, lastByteMs, bytes) > this.#bufferMs(node)
  }

  /** When the sender of what a node has at `receivedMs` is rid of it: the rest is in buffers. */
  acceptedMs(node: number, receivedMs: number): number {
    return receivedMs - this.#bufferMs(node)
  }

  #bufferMs(node: number): number {
    return (this.#options.buffer ?? Infinity) / this.#topology.down[node]!
  }
}
