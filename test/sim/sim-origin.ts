import { pieceRange } from '../../src/core/piece-layout.ts'
import type { EventKind } from './event-queue.ts'
import { OriginEgress, type OriginFlow } from './origin-egress.ts'
import type { SimNode } from './sim-node.ts'
import type { SimWorld } from './sim-world.ts'

/** A first request opens a connection with TLS: two more round trips. */
const connectRoundTrips = 2
const requestBytes = 800

/** The origin as nodes see it: runs of pieces, read in order, trimmed, sometimes refused. */
export class SimOrigin {
  readonly #world: SimWorld
  readonly #egress: OriginEgress
  readonly #flows: Map<number, OriginFlow>[]
  readonly #connected: Uint8Array
  /** Until when a node was told to stay away. */
  readonly #heldOffUntilMs: Float64Array
  readonly #asked: EventKind<OriginFlow>
  readonly #refused: EventKind<OriginFlow>
  readonly #arrived: EventKind<OriginFlow>
  readonly #received: EventKind<OriginFlow>
  readonly #stored: EventKind<OriginFlow>
  readonly #ended: EventKind<OriginFlow>
  /** Requests that may still be answered now, and when that was. */
  #tokens: number
  #tokensMs = 0

  constructor(world: SimWorld) {
    const { events, options } = world
    this.#world = world
    this.#egress = new OriginEgress(events, options.origin, (flow, startedMs, bytes) => this.#onSent(flow, startedMs, bytes))
    this.#flows = Array.from({ length: options.nodes }, () => new Map())
    this.#connected = new Uint8Array(options.nodes)
    this.#heldOffUntilMs = new Float64Array(options.nodes)
    this.#tokens = options.originRequests
    this.#asked = events.register<OriginFlow>((_a, _b, flow) => this.#onAsked(flow))
    this.#refused = events.register<OriginFlow>((_a, _b, flow) => this.#onRefused(flow))
    this.#arrived = events.register<OriginFlow>((piece, _, flow) => this.#onArrived(flow, piece))
    this.#received = events.register<OriginFlow>((piece, _, flow) => this.#onReceived(flow, piece))
    this.#stored = events.register<OriginFlow>((piece, _, flow) => this.#onStored(flow, piece))
    this.#ended = events.register<OriginFlow>((_a, _b, flow) => this.#endIfOver(flow))
  }

  /** Runs that a node has under way. */
  runsOf(node: number): number {
    return this.#flows[node]!.size
  }

  read(node: SimNode, run: number, first: number, count: number): void {
    const { events, topology, options, counters, layout } = this.#world
    const latencyMs = topology.originLatencyMs(node.index)
    const cap = Math.min(topology.down[node.index]!, topology.region(node.index) === 0 ? Infinity : options.flowCap)
    const bytesOf = (piece: number): number => pieceRange(layout, piece).length * options.overhead
    const flow: OriginFlow = { node: node.index, run, first, count, cap, sent: 0, stored: 0, ended: false, movedMs: 0, bytesOf }
    this.#flows[node.index]!.set(run, flow)
    counters.controlBytes += requestBytes
    const waitMs = Math.max(0, this.#heldOffUntilMs[node.index]! - events.now)
    const trips = this.#connected[node.index] === 1 ? 0 : connectRoundTrips
    this.#connected[node.index] = 1
    events.atWith(events.now + waitMs + latencyMs * (1 + 2 * trips) + options.originMs, this.#asked, 0, 0, flow)
  }

  trim(node: SimNode, run: number, count: number): void {
    const flow = this.#flows[node.index]!.get(run)
    if (!flow) return
    flow.count = Math.min(flow.count, count)
    if (flow.count > flow.sent) return
    this.#stopSending(flow)
    if (flow.count === 0) this.#forget(flow)
    else this.#world.events.atWith(this.#world.events.now, this.#ended, 0, 0, flow)
  }

  /** The node is dead: nobody reads its runs. */
  forget(node: SimNode): void {
    for (const flow of Array.from(this.#flows[node.index]!.values())) {
      this.#stopSending(flow)
      this.#forget(flow)
    }
  }

  /** Slow runs show that they move long before a piece is whole. */
  touch(node: SimNode): void {
    for (const flow of this.#flows[node.index]!.values()) {
      if (this.#egress.has(flow) && this.#world.events.now - flow.movedMs >= 200) this.#moved(flow)
    }
  }

  #onAsked(flow: OriginFlow): void {
    const { events, topology, counters } = this.#world
    counters.originRequests++
    if (flow.ended) return
    if (this.#takeToken()) return this.#egress.start(flow)
    counters.originRefusals++
    events.atWith(events.now + topology.originLatencyMs(flow.node), this.#refused, 0, 0, flow)
  }

  /** The node waits as it was told, with all that it reads from here, and asks again. */
  #onRefused(flow: OriginFlow): void {
    const { events, nodes, options, topology } = this.#world
    if (flow.ended) return
    this.#heldOffUntilMs[flow.node] = events.now + options.retryAfter
    nodes[flow.node]!.dispatch({ type: 'origin:waits', run: flow.run, durationMs: options.retryAfter })
    const askMs = events.now + options.retryAfter + topology.originLatencyMs(flow.node)
    events.atWith(askMs + options.originMs, this.#asked, 0, 0, flow)
  }

  #onSent(flow: OriginFlow, startedMs: number, bytes: number): void {
    const { events, wires, topology, counters, options } = this.#world
    counters.originBytes += bytes / options.overhead
    const arrivalMs = wires.crossFromOrigin(flow.node, startedMs, bytes, events.now)
    flow.firstByteMs = startedMs + topology.originLatencyMs(flow.node)
    events.atWith(arrivalMs, this.#arrived, flow.first + flow.sent, 0, flow)
    flow.sent++
    if (flow.sent < flow.count) this.#egress.start(flow)
  }

  #onArrived(flow: OriginFlow, piece: number): void {
    const { events, wires } = this.#world
    const receivedMs = wires.receive(flow.node, flow.firstByteMs ?? events.now, flow.bytesOf(piece), events.now)
    events.atWith(receivedMs, this.#received, piece, 0, flow)
  }

  #onReceived(flow: OriginFlow, piece: number): void {
    const { events, options, counters, layout } = this.#world
    if (flow.ended || piece >= flow.first + flow.count) {
      counters.lostBytes += pieceRange(layout, piece).length
      return
    }
    this.#moved(flow)
    events.atWith(events.now + options.storeMs, this.#stored, piece, 0, flow)
  }

  #onStored(flow: OriginFlow, piece: number): void {
    flow.stored++
    // A piece that was read is kept, even if its run was taken back meanwhile.
    this.#world.nodes[flow.node]!.store(piece, 'origin')
    this.#endIfOver(flow)
  }

  #endIfOver(flow: OriginFlow): void {
    if (flow.ended || flow.stored < flow.count) return
    this.#forget(flow)
    this.#world.nodes[flow.node]!.dispatch({ type: 'origin:ended', run: flow.run })
  }

  #moved(flow: OriginFlow): void {
    flow.movedMs = this.#world.events.now
    this.#world.nodes[flow.node]!.dispatch({ type: 'origin:moved', run: flow.run })
  }

  #stopSending(flow: OriginFlow): void {
    const bytes = this.#egress.stop(flow) / this.#world.options.overhead
    this.#world.counters.originBytes += bytes
    this.#world.counters.lostBytes += bytes
  }

  #forget(flow: OriginFlow): void {
    flow.ended = true
    this.#flows[flow.node]!.delete(flow.run)
  }

  #takeToken(): boolean {
    const { events, options } = this.#world
    if (options.originRequests === Infinity) return true
    // As much may come at once as is answered in a second.
    this.#tokens = Math.min(options.originRequests, this.#tokens + ((events.now - this.#tokensMs) * options.originRequests) / 1000)
    this.#tokensMs = events.now
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}
