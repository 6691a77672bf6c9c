import { guestsPerLink, type PeerFacts } from '../../src/engine/links.ts'
import { farDistance } from '../../src/engine/location.ts'
import type { EventKind } from './event-queue.ts'
import type { LinkEnd } from './link-table.ts'
import type { SimNode } from './sim-node.ts'
import type { SimWorld } from './sim-world.ts'

/** From the first packet to an open link: TCP, noise, the muxer, the greeting. */
const roundTrips = 4
/** As long as production waits for a peer that does not answer. */
const dialTimeoutMs = 10_000
const handshakeBytes = 2500
/** As in production: a guest that says nothing for so long has what it came for. */
const guestMs = 1000
/** Longer than the way of any message: both ends of a link that is closed know it soon. */
export const resetMs = 1

/** Links come and go: dials as the production link book decides, handshakes, deaths. */
export class Dialling {
  readonly #world: SimWorld
  readonly #called: EventKind<undefined>
  readonly #failed: EventKind<undefined>
  readonly #refused: EventKind<undefined>
  readonly #greeted: EventKind<undefined>
  readonly #accepted: EventKind<undefined>
  readonly #returned: EventKind<undefined>
  readonly #dialled: EventKind<undefined>
  readonly #opened: EventKind<undefined>
  readonly #closed: EventKind<undefined>

  constructor(world: SimWorld) {
    const { events, nodes } = world
    this.#world = world
    this.#called = events.register((from, to) => this.#onCalled(nodes[from]!, nodes[to]!))
    this.#failed = events.register((from, to) => this.#onFailed(nodes[from]!, to, false))
    this.#refused = events.register((from, to) => this.#onFailed(nodes[from]!, to, true))
    this.#greeted = events.register((from, to) => this.#onGreeted(nodes[from]!, nodes[to]!))
    this.#accepted = events.register((from, to) => this.#onAccepted(nodes[from]!, nodes[to]!))
    this.#returned = events.register((from, to) => this.#onReturned(nodes[from]!, nodes[to]!))
    this.#dialled = events.register((from, to) => this.#onDialled(nodes[from]!, nodes[to]!))
    this.#opened = events.register((end) => this.#open(end, true))
    this.#closed = events.register((end) => this.close(end))
  }

  /** Dials one that is asked for by name, if there is room; says whether it is being dialled now. */
  connect(node: SimNode, to: number): boolean {
    const key = String(to)
    if (node.book.mayDial(key)) this.#dial(node, to)
    return node.book.get(key)?.dialling ?? false
  }

  /** Dials whom the book wants while the node loads. */
  dialReady(node: SimNode): void {
    if (!node.alive || !node.started || node.done) return
    for (const peer of node.book.toDial(this.#world.events.now)) this.#dial(node, Number(peer.key))
  }

  /** The end's node learns that the link is no more. */
  close(end: LinkEnd): void {
    const { links, nodes, events, transfers, discovery } = this.#world
    if (!links.isOpen(end)) return
    links.close(end)
    const node = nodes[links.nodeAt(end)]!
    node.ends.splice(node.ends.indexOf(end), 1)
    node.endTo.delete(links.nodeAt(end ^ 1))
    transfers.forgetLink(end)
    node.book.closed(String(links.nodeAt(end ^ 1)), events.now)
    node.dispatch({ type: 'link:closed', link: end })
    discovery.linkClosed(node, end)
  }

  /** The other one has links enough: its node is only asked from now on. */
  becameGuest(end: LinkEnd): void {
    const { links, nodes, transfers } = this.#world
    if (links.isGuest(end)) return
    const node = nodes[links.nodeAt(end)]!
    links.receiveGuest(end)
    transfers.forgetLink(end)
    node.book.becameGuest(String(links.nodeAt(end ^ 1)))
    node.dispatch({ type: 'link:closed', link: end })
  }

  /** Guests that have what they came for make room. */
  dismissGuests(node: SimNode): void {
    const { links, events } = this.#world
    const silentSinceMs = events.now - guestMs
    const silent = node.ends.filter((end) => links.isGuest(end) && links.heardMs(end) < silentSinceMs)
    for (const end of silent) this.cut(end, resetMs)
  }

  /** Nothing passes a link any more; its ends learn of it after their own times. */
  cut(end: LinkEnd, noticeMs: number): void {
    const { links, events, transfers } = this.#world
    if (links.isCut(end)) return
    links.cut(end)
    transfers.cutLink(end)
    events.at(events.now + noticeMs, this.#closed, end, 0)
    events.at(events.now + noticeMs, this.#closed, end ^ 1, 0)
  }

  #dial(node: SimNode, to: number): void {
    const { events, counters } = this.#world
    counters.dials++
    counters.controlBytes += handshakeBytes
    events.at(events.now + this.#latencyMs(node.index, to), this.#called, node.index, to)
  }

  #onCalled(from: SimNode, to: SimNode): void {
    const { events, topology, options, counters } = this.#world
    const cutOff = topology.passesMs(from.index, to.index, events.now) > events.now
    if (!to.alive || cutOff) return events.at(events.now + dialTimeoutMs, this.#failed, from.index, to.index)
    const latencyMs = this.#latencyMs(from.index, to.index)
    if (to.pendingInbound >= options.pendingInbound) {
      counters.refusedDials++
      return events.at(events.now + latencyMs, this.#refused, from.index, to.index)
    }
    to.pendingInbound++
    // The last message but one of the handshakes comes to the called one; the last is its answer.
    events.at(events.now + (2 * roundTrips - 2) * latencyMs, this.#greeted, from.index, to.index)
  }

  #onFailed(from: SimNode, to: number, refused: boolean): void {
    if (!from.alive) return
    from.book.dialFailed(String(to), this.#world.events.now)
    this.#world.discovery.dialEnded(from, to, refused)
    this.dialReady(from)
  }

  #onGreeted(from: SimNode, to: SimNode): void {
    const { events, options } = this.#world
    events.at(to.work(options.handshakeMs), this.#accepted, from.index, to.index)
  }

  #onAccepted(from: SimNode, to: SimNode): void {
    const { events, counters, options } = this.#world
    to.pendingInbound--
    const accepted = to.alive && to.ends.length < options.maxLinks * (1 + guestsPerLink)
    if (!accepted) counters.refusedDials++
    events.at(events.now + this.#latencyMs(from.index, to.index), accepted ? this.#returned : to.alive ? this.#refused : this.#failed, from.index, to.index)
  }

  #onReturned(from: SimNode, to: SimNode): void {
    const { events, options } = this.#world
    events.at(from.work(options.handshakeMs), this.#dialled, from.index, to.index)
  }

  #onDialled(from: SimNode, to: SimNode): void {
    if (!from.alive) return
    const { events, links, discovery } = this.#world
    // Two that dial each other at once get one link.
    const known = from.endTo.has(to.index) || to.endTo.has(from.index)
    if (!to.alive) from.book.dialFailed(String(to.index), events.now)
    else if (known) from.book.linked(String(to.index), false)
    else {
      const end = links.add(from.index, to.index)
      // The other one knows of the link before the first message on it comes.
      events.at(links.arrivalMs(end, events.now), this.#opened, end ^ 1, 0)
      this.#open(end, false)
    }
    discovery.dialEnded(from, to.index)
  }

  #open(end: LinkEnd, inbound: boolean): void {
    const { links, nodes, topology, discovery, events } = this.#world
    if (links.isCut(end)) return
    const node = nodes[links.nodeAt(end)]!
    const other = links.nodeAt(end ^ 1)
    const facts = this.#factsOf(other)
    const guest = inbound && !node.book.mayAccept(facts, this.#loadingLinks(node))
    if (guest && !node.book.hasGuestRoom) return this.cut(end, resetMs)
    if (guest) links.receiveGuest(end)
    links.open(end)
    links.hear(end, events.now)
    node.ends.push(end)
    node.endTo.set(other, end)
    node.book.linked(String(other), inbound, { ...facts, guest })
    discovery.linkOpened(node, end)
    if (guest) return
    const weYield = topology.order[node.index]! > topology.order[other]!
    node.dispatch({ type: 'link:opened', link: end, distance: links.distance(end), weYield })
  }

  /** Links over which blobs move, or would: what the book's limit is about. */
  #loadingLinks(node: SimNode): number {
    if (!node.started) return 0
    const { links, options } = this.#world
    return node.ends.filter((end) => !links.isGuest(end) && links.distance(end) !== farDistance && links.nodeAt(end ^ 1) >= options.supernodes).length
  }

  /** What a peer's hello says. */
  #factsOf(node: number): PeerFacts {
    return { location: this.#world.topology.location(node), supernode: node < this.#world.options.supernodes }
  }

  #latencyMs(a: number, b: number): number {
    return this.#world.topology.latencyMs(this.#world.topology.distance(a, b))
  }
}
