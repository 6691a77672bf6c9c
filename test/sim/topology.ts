import { seededRandom, type Random } from '../../src/core/random.ts'
import { distanceOf } from '../../src/engine/location.ts'
import type { Location } from '../../src/wire/messages.ts'
import type { SimOptions } from './sim-options.ts'

const nodesPerRack = 20
const supernodeFactor = 10

/** Where nodes stand, how fast they are and when they start: all that is drawn before a run begins. */
export class Topology {
  readonly up: Float64Array
  readonly down: Float64Array
  readonly startMs: Float64Array
  readonly slow: Uint8Array
  /** Decides who yields to whom, as the hash of peer and digest does. */
  readonly order: Float64Array
  readonly #options: SimOptions
  readonly #locations: Location[] = []
  readonly #cutOff: Uint8Array

  constructor(options: SimOptions) {
    const { nodes } = options
    this.#options = options
    this.up = new Float64Array(nodes)
    this.down = new Float64Array(nodes)
    this.startMs = new Float64Array(nodes)
    this.slow = new Uint8Array(nodes)
    this.order = new Float64Array(nodes)
    this.#cutOff = new Uint8Array(nodes)
    // Each property draws from a generator of its own, so that one more option does not shift what the others drew.
    const [starts, orders, slows, places, cuts] = [1, 2, 3, 4, 5].map((index) => seededRandom(options.seed * 16 + index))
    for (let node = 0; node < nodes; node++) {
      const first = node < options.supernodes || (options.slowFirst && node === 0)
      const start = starts!.next() * options.startWithin
      this.startMs[node] = first ? 0 : start
      this.order[node] = orders!.next()
      const drawnSlow = slows!.next() < (options.slow?.fraction ?? 0)
      this.slow[node] = options.slowFirst && node === 0 ? 1 : drawnSlow && node >= options.supernodes ? 1 : 0
      this.#rate(node)
      this.#locations.push(this.#locate(node, places!))
      this.#cutOff[node] = cuts!.next() < (options.partition?.fraction ?? 0) ? 1 : 0
    }
  }

  region(node: number): number {
    return node % this.#options.regions
  }

  location(node: number): Location {
    return this.#locations[node]!
  }

  /** As the engine is told: 0 same rack, 1 same zone, 2 same region or unknown, 3 another region. */
  distance(a: number, b: number): number {
    return distanceOf(this.location(a), this.location(b))
  }

  /** One way. */
  latencyMs(distance: number): number {
    const { nearMs, regionMs, farMs } = this.#options
    return distance < 2 ? nearMs : distance === 2 ? regionMs : farMs
  }

  /** One way between a node and the origin, which is in the first region. */
  originLatencyMs(node: number): number {
    return this.region(node) === 0 ? this.#options.regionMs : this.#options.farMs
  }

  /** When what leaves now can pass between two nodes: at once, or when the partition between them ends. */
  passesMs(a: number, b: number, now: number): number {
    const { partition } = this.#options
    if (!partition || this.#cutOff[a] === this.#cutOff[b]) return now
    return now >= partition.fromMs && now < partition.toMs ? partition.toMs : now
  }

  #locate(node: number, random: Random): Location {
    const { nodes, regions, zones } = this.#options
    const region = regions > 1 || zones > 0 ? `region-${this.region(node)}` : ''
    if (zones === 0) return { region, zone: '', rack: '' }
    const zone = random.below(zones)
    const rack = random.below(Math.ceil(nodes / regions / zones / nodesPerRack))
    return { region, zone: `zone-${zone}`, rack: `rack-${zone}-${rack}` }
  }

  #rate(node: number): void {
    const { link, up = link, down = link, slow, supernodes } = this.#options
    const factor = node < supernodes ? supernodeFactor : this.slow[node] ? (slow?.rate ?? 1) : 1
    this.up[node] = up * factor
    this.down[node] = down * factor
  }
}
