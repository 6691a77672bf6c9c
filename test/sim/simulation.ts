import { pieceLayout, type PieceLayout } from '../../src/core/piece-layout.ts'
import { seededRandom, type Random } from '../../src/core/random.ts'
import { Dialling } from './dialling.ts'
import { EventQueue } from './event-queue.ts'
import { Faults } from './faults.ts'
import { LinkTable } from './link-table.ts'
import { NodeEvents } from './node-events.ts'
import { SimDiscovery } from './sim-discovery.ts'
import { SimNode } from './sim-node.ts'
import type { SimOptions } from './sim-options.ts'
import { SimOrigin } from './sim-origin.ts'
import { measure, type SimResult } from './sim-result.ts'
import { Counters, type SimWorld } from './sim-world.ts'
import { Topology } from './topology.ts'
import { Transfers } from './transfers.ts'
import { Wires } from './wires.ts'

/** After the last node is done, what is still under way comes to its end. */
const drainMs = 1000

/** Whether all are done is looked at now and then only. */
const eventsBetweenLooks = 1000

/** Runs a swarm in virtual time. The same options give the same result, but for its wall time and memory. */
export function simulate(options: SimOptions): SimResult {
  const startedAt = performance.now()
  const simulation = new Simulation(options)
  simulation.run()
  return measure(simulation, (performance.now() - startedAt) / 1000)
}

class Simulation implements SimWorld {
  readonly options: SimOptions
  readonly layout: PieceLayout
  readonly events = new EventQueue()
  readonly counters = new Counters()
  readonly nodes: SimNode[] = []
  readonly random: Random
  readonly topology: Topology
  readonly links: LinkTable
  readonly wires: Wires
  readonly transfers: Transfers
  readonly origin: SimOrigin
  readonly dialling: Dialling
  readonly discovery: SimDiscovery
  readonly #nodeEvents: NodeEvents
  readonly #faults: Faults

  constructor(options: SimOptions) {
    this.options = options
    this.layout = pieceLayout(options.size)
    this.random = seededRandom(options.seed * 16)
    this.topology = new Topology(options)
    this.links = new LinkTable(this.topology)
    this.wires = new Wires(options, this.topology, this.links)
    this.#nodeEvents = new NodeEvents(this)
    for (let index = 0; index < options.nodes; index++) this.nodes.push(new SimNode(this, this.#nodeEvents, index))
    this.transfers = new Transfers(this)
    this.origin = new SimOrigin(this)
    this.dialling = new Dialling(this)
    this.discovery = new SimDiscovery(this)
    this.#faults = new Faults(this)
  }

  run(): void {
    const { events, options, nodes, topology } = this
    this.discovery.prepare()
    for (const node of nodes) this.#nodeEvents.startAt(node, topology.startMs[node.index]!)
    this.#faults.plan()
    while (events.nextMs <= options.until && !this.#isOver()) {
      for (let left = eventsBetweenLooks; left > 0 && events.nextMs <= options.until; left--) events.runNext()
    }
    const endMs = events.now + drainMs
    while (events.nextMs <= endMs) events.runNext()
  }

  #isOver(): boolean {
    return this.nodes.every((node) => node.done || !node.alive)
  }
}
