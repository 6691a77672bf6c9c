import { multiaddr } from '@multiformats/multiaddr'
import type { Random } from '../../src/core/random.ts'
import type { Frame } from './frame.ts'
import type { LabTime } from './lab-time.ts'
import { NetworkConditions } from './network-conditions.ts'
import { named, VirtualConnection } from './virtual-connection.ts'
import type { VirtualNode } from './virtual-node.ts'
import { Wire } from './wire.ts'

/** TCP, noise and the muxer take so many round trips before a connection is of use. */
const setUpRoundTrips = 3
/** Who hears nothing from a host for so long takes its connections for dead, as sockets of the default node do. */
const silenceMs = 75_000
/** How long one address is tried that does not answer. */
const addressDialMs = 3000

interface Pair {
  readonly ends: readonly [VirtualNode, VirtualNode]
  readonly connections: readonly [VirtualConnection, VirtualConnection]
  readonly wires: readonly [Wire, Wire]
}

/** Hosts and the ways between them. Faults are its methods: they happen at once. */
export class VirtualNetwork {
  readonly conditions: NetworkConditions
  /** Hears of every frame that arrives. */
  tap: ((frame: Frame) => void) | undefined
  readonly #time: LabTime
  readonly #listening = new Map<string, VirtualNode>()
  readonly #pairs = new Set<Pair>()
  #connections = 0

  constructor(time: LabTime, random: Random, latencyMs: (from: string, to: string) => number) {
    this.#time = time
    this.conditions = new NetworkConditions(random, latencyMs)
  }

  /** Connections that are open. */
  get connectionCount(): number {
    return this.#pairs.size
  }

  listen(node: VirtualNode): void {
    this.#listening.set(node.address, node)
  }

  /** The node behind an address, if one listens there. */
  at(address: string): VirtualNode | undefined {
    return this.#listening.get(address)
  }

  /** Tries addresses one after the other. */
  async connect(from: VirtualNode, addresses: readonly string[], peerId: string | undefined): Promise<VirtualConnection> {
    const errors: Error[] = []
    for (const address of addresses) {
      try {
        return await this.#connect(from, address, peerId)
      } catch (error) {
        errors.push(error instanceof Error ? error : named('DialError', String(error)))
      }
    }
    throw errors.length === 1 && errors[0] ? errors[0] : new AggregateError(errors, 'no address could be dialled')
  }

  /** The process of a node ends, and its host tells all who are connected so. */
  kill(node: VirtualNode): void {
    node.loop.kill()
    if (this.#listening.get(node.address) === node) this.#listening.delete(node.address)
    for (const pair of this.#pairsOf(node)) this.#reset(pair, node)
  }

  /** All connections of two nodes are reset, in both directions. */
  reset(a: VirtualNode, b: VirtualNode): void {
    for (const pair of this.#pairsOf(a)) if (pair.ends.includes(b)) this.#reset(pair)
  }

  /** Nothing gets from one host to another until it is opened again. */
  block(from: string, to: string): void {
    const way = this.conditions.way(from, to)
    if (way.blocked) return
    way.blocked = true
    this.#time.after(silenceMs, () => {
      if (way.blocked) for (const pair of this.#between(from, to)) this.#reset(pair)
    })
  }

  open(from: string, to: string): void {
    this.conditions.way(from, to).blocked = false
    for (const pair of this.#between(from, to)) {
      for (const [index, wire] of pair.wires.entries()) if (pair.ends[index]?.name === from) wire.release()
    }
  }

  /** The process of a node is stopped: who hears nothing from it for long takes its connections for dead. */
  stall(node: VirtualNode): void {
    this.#time.after(silenceMs, () => {
      if (node.loop.blocked) for (const pair of this.#pairsOf(node)) this.#reset(pair)
    })
  }

  async #connect(from: VirtualNode, address: string, peerId: string | undefined): Promise<VirtualConnection> {
    const host = this.#listening.get(address)
    const name = host?.name ?? address
    const there = this.conditions.way(from.name, name)
    const back = this.conditions.way(name, from.name)
    const roundTripMs = there.latencyMs + back.latencyMs
    if (there.blocked || back.blocked) {
      await this.#pass(from, addressDialMs)
      throw named('ETIMEDOUT', `${address} does not answer`)
    }
    await this.#pass(from, roundTripMs)
    const to = this.#listening.get(address)
    if (!to) throw named('ECONNREFUSED', `nobody listens at ${address}`)
    await this.#pass(from, roundTripMs * (setUpRoundTrips - 1))
    if (there.blocked || back.blocked || this.#listening.get(address) !== to) throw named('ECONNRESET', `${address} went away`)
    if (to.loop.blocked) {
      await this.#pass(from, addressDialMs)
      throw named('ETIMEDOUT', `${address} does not answer`)
    }
    if (peerId !== undefined && to.peerId.toString() !== peerId) throw named('UnexpectedPeerError', `another node is at ${address}`)
    if (to === from) throw named('DialError', 'a node cannot dial itself')
    return this.#join(from, to)
  }

  #join(from: VirtualNode, to: VirtualNode): VirtualConnection {
    const id = `${from.name}-${to.name}-${this.#connections++}`
    const wires: [Wire, Wire] = [this.#wire(from, to, () => ends[1]), this.#wire(to, from, () => ends[0])]
    const closed = (): void => {
      if (ends.every(({ status }) => status !== 'open')) this.#pairs.delete(pair)
    }
    const end = (own: VirtualNode, other: VirtualNode, wire: Wire, direction: 'inbound' | 'outbound'): VirtualConnection =>
      new VirtualConnection({
        id: `${id}-${direction}`,
        remotePeer: other.peerId,
        // Of who dialled, nobody listens at the port that is seen.
        remoteAddr: multiaddr(`${direction === 'outbound' ? other.address : `${hostOf(other.address)}/tcp/50000`}/p2p/${other.peerId.toString()}`),
        direction,
        handlers: own,
        log: own.logger.forComponent(),
        send: (frame) => wire.send(frame),
        tamper: () => own.tamper,
        closed: (connection) => {
          own.connections.delete(connection)
          closed()
        },
      })
    const ends: [VirtualConnection, VirtualConnection] = [end(from, to, wires[0], 'outbound'), end(to, from, wires[1], 'inbound')]
    const pair: Pair = { ends: [from, to], connections: ends, wires }
    this.#pairs.add(pair)
    from.connections.add(ends[0])
    to.connections.add(ends[1])
    from.identified(to.peerId.toString(), to.getMultiaddrs())
    to.identified(from.peerId.toString(), from.getMultiaddrs())
    this.#time.note('connected', from.name, to.name)
    return ends[0]
  }

  #wire(from: VirtualNode, to: VirtualNode, end: () => VirtualConnection): Wire {
    const { conditions } = this
    return new Wire({
      time: this.#time,
      from: from.name,
      to: to.name,
      conditions,
      uplink: from.uplink,
      downlink: to.downlink,
      loop: to.loop,
      receive: (frame) => {
        this.tap?.(frame)
        end().receive(frame)
      },
    })
  }

  /** What is on the way is lost; both ends hear of it after what the way takes, unless it is cut there. */
  #reset(pair: Pair, dead?: VirtualNode): void {
    this.#pairs.delete(pair)
    for (const wire of pair.wires) wire.cut()
    for (const [index, node] of pair.ends.entries()) {
      const connection = pair.connections[index]
      const other = pair.ends[1 - index]
      if (!connection || !other || node === dead) continue
      const { latencyMs } = this.conditions.way(other.name, node.name)
      this.#time.after(latencyMs, () => node.loop.arrive(() => connection.end(named('ECONNRESET', 'the connection was reset'))))
    }
  }

  #pairsOf(node: VirtualNode): Pair[] {
    return [...this.#pairs].filter(({ ends }) => ends.includes(node))
  }

  #between(from: string, to: string): Pair[] {
    return [...this.#pairs].filter(({ ends: [a, b] }) => (a.name === from && b.name === to) || (a.name === to && b.name === from))
  }

  /** Time passes for a node: its process may be stopped meanwhile, or gone. */
  #pass(node: VirtualNode, durationMs: number): Promise<void> {
    return new Promise((resolve) => this.#time.after(durationMs, () => node.loop.arrive(resolve)))
  }
}

function hostOf(address: string): string {
  return address.replace(/\/tcp\/\d+$/, '')
}
