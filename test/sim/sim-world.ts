import type { PieceLayout } from '../../src/core/piece-layout.ts'
import type { Random } from '../../src/core/random.ts'
import type { Dialling } from './dialling.ts'
import type { SimDiscovery } from './sim-discovery.ts'
import type { EventQueue } from './event-queue.ts'
import type { LinkTable } from './link-table.ts'
import type { SimNode } from './sim-node.ts'
import type { SimOptions } from './sim-options.ts'
import type { SimOrigin } from './sim-origin.ts'
import type { Topology } from './topology.ts'
import type { Transfers } from './transfers.ts'
import type { Wires } from './wires.ts'

/** What a run counts; bytes are the blob's own, without what protocols add. */
export class Counters {
  /** Sent by nodes to nodes, whole pieces and parts of them. */
  uploadedBytes = 0
  /** Sent by the origin. */
  originBytes = 0
  originRequests = 0
  /** Requests that were answered with a 429. */
  originRefusals = 0
  /** Became pieces of a node that it did not have before. */
  keptBytes = 0
  /** Arrived whole where they were already. */
  duplicateBytes = 0
  /** Was under way to somebody who did not want it any more, or was dead. */
  lostBytes = 0
  /** All that is no piece: what the messages weigh. */
  controlBytes = 0
  haves = 0
  steps = 0
  dials = 0
  refusedDials = 0
  joins = 0
  leaseAsks = 0
  /** Asks for leases that no tracker answered. */
  leaseSilences = 0
  /** Sessions that gave up and began again. */
  failures = 0
}

/** The parts of a simulation, as they know each other. */
export interface SimWorld {
  readonly options: SimOptions
  readonly layout: PieceLayout
  readonly events: EventQueue
  readonly topology: Topology
  readonly links: LinkTable
  readonly wires: Wires
  readonly transfers: Transfers
  readonly origin: SimOrigin
  readonly dialling: Dialling
  readonly discovery: SimDiscovery
  readonly nodes: SimNode[]
  readonly counters: Counters
  /** For choices that belong to no node. */
  readonly random: Random
}
