import { pieceRange } from '../../src/core/piece-layout.ts'
import type { Digest } from '../../src/core/digest.ts'
import type { RequestOutcome } from '../../src/engine/session-event.ts'
import type { EventKind } from './event-queue.ts'
import type { LinkEnd } from './link-table.ts'
import type { SimNode } from './sim-node.ts'
import type { SimWorld } from './sim-world.ts'
import { TransferTable, type TransferId } from './transfer-table.ts'
import { Uplinks } from './uplinks.ts'

const digest: Digest = `sha256:${'0'.repeat(64)}`
/** What a request and the header of its answer weigh, with what streams and encryption add. */
const requestBytes = 120
const answerBytes = 80
/** What is here sooner needs no sign of life. */
const touchMs = 200

/** Pieces on their way from node to node: asked for, waiting in the production queue, sent, received. */
export class Transfers {
  readonly #world: SimWorld
  readonly #table = new TransferTable()
  readonly #uplinks: Uplinks
  readonly #asked: EventKind<undefined>
  readonly #cancelled: EventKind<undefined>
  readonly #answered: EventKind<RequestOutcome>
  readonly #arrived: EventKind<undefined>
  readonly #accepted: EventKind<undefined>
  readonly #received: EventKind<undefined>

  constructor(world: SimWorld) {
    const { events, topology } = world
    this.#world = world
    this.#uplinks = new Uplinks(events, topology.up, (_, id) => this.#onSent(id))
    this.#asked = events.register((id) => this.#onAsked(id))
    this.#cancelled = events.register((id, generation) => this.#onCancelled(id, generation))
    this.#answered = events.register<RequestOutcome>((id, _, outcome) => this.#onAnswered(id, outcome))
    this.#arrived = events.register((id) => this.#onArrived(id))
    this.#accepted = events.register((id) => this.#release(id))
    this.#received = events.register((id) => this.#onReceived(id))
  }

  /** Transfers that are not over. */
  get liveCount(): number {
    return this.#table.liveCount
  }

  request(end: LinkEnd, piece: number): void {
    const { events, links, counters } = this.#world
    counters.controlBytes += requestBytes
    const id = this.#table.add(end, piece)
    events.at(links.arrivalMs(end, events.now), this.#asked, id, 0)
  }

  cancel(end: LinkEnd, piece: number): void {
    const id = this.#table.find(end, piece)
    if (id === undefined) return
    const { events, links, counters } = this.#world
    counters.controlBytes += answerBytes
    const phase = this.#table.phase(id)
    if (this.#table.leave(id)) return
    if (phase === 'coming' || phase === 'answered') return
    events.at(links.arrivalMs(end, events.now), this.#cancelled, id, this.#table.generation(id))
  }

  /** The asker knows that the link is no more. */
  forgetLink(end: LinkEnd): void {
    for (const id of this.#table.of(end)) this.#table.leave(id)
  }

  /** Nothing passes between the ends any more: what was being sent is lost, and nobody is told. */
  cutLink(end: LinkEnd): void {
    for (const asker of [end, end ^ 1]) {
      for (const id of this.#table.of(asker)) {
        if (this.#takeBack(id)) this.#table.lose(id)
      }
    }
  }

  /** Pieces that come slowly are a sign of life long before they are here. */
  touch(node: SimNode): void {
    const { now } = this.#world.events
    for (const end of node.ends) {
      for (let id = this.#table.first(end); id !== undefined; id = this.#table.next(id)) {
        const moving = this.#table.phase(id) === 'serving' || this.#table.phase(id) === 'coming'
        if (!moving || now - this.#table.startedMs(id) < touchMs || this.#world.links.isCut(end)) continue
        node.dispatch({ type: 'request:moved', link: end, piece: this.#table.piece(id), bytes: 0 })
      }
    }
  }

  #onAsked(id: TransferId): void {
    const end = this.#table.asker(id)
    const { links, nodes, counters, events } = this.#world
    const uploader = nodes[links.nodeAt(end ^ 1)]!
    if (this.#table.isLeft(id)) return this.#table.free(id)
    if (!links.isOpen(end ^ 1) || links.isCut(end) || !uploader.alive) return this.#table.lose(id)
    const piece = this.#table.piece(id)
    if (!uploader.state.stored.has(piece)) return this.#answer(id, { kind: 'absent' })
    const answer = uploader.uploads.add({ id, link: end ^ 1, digest, piece })
    if (answer !== 'queued') return this.#answer(id, { kind: 'busy', retryAfterMs: answer })
    counters.controlBytes += answerBytes
    this.#table.setPhase(id, 'waiting', events.now)
    this.#serve(uploader)
  }

  #serve(node: SimNode): void {
    const { now } = this.#world.events
    for (let next = node.uploads.next(node.uploadRank); next; next = node.uploads.next(node.uploadRank)) {
      this.#table.setPhase(next.id, 'serving', now)
      this.#uplinks.start(node.index, next.id, this.#bytesOf(next.piece) * this.#world.options.overhead)
    }
  }

  #answer(id: TransferId, outcome: RequestOutcome): void {
    const { events, links, counters } = this.#world
    counters.controlBytes += answerBytes
    this.#table.setPhase(id, 'answered', events.now)
    events.atWith(links.arrivalMs(this.#table.asker(id), events.now), this.#answered, id, 0, outcome)
  }

  #onAnswered(id: TransferId, outcome: RequestOutcome): void {
    if (this.#table.isLeft(id)) return this.#table.free(id)
    const end = this.#table.asker(id)
    const { links, nodes } = this.#world
    if (links.isCut(end)) return this.#table.lose(id)
    const piece = this.#table.piece(id)
    this.#table.leave(id)
    this.#table.free(id)
    nodes[links.nodeAt(end)]!.dispatch({ type: 'request:ended', link: end, piece, outcome })
  }

  #onCancelled(id: TransferId, generation: number): void {
    if (this.#table.generation(id) !== generation) return
    if (this.#takeBack(id)) this.#table.free(id)
    else if (this.#table.isHeld(id)) this.#release(id)
  }

  /** Ends a transfer at its uploader; says whether it was still there. */
  #takeBack(id: TransferId): boolean {
    const phase = this.#table.phase(id)
    if (phase !== 'waiting' && phase !== 'serving') return false
    const { links, nodes, counters, options } = this.#world
    const uploader = nodes[links.nodeAt(this.#table.asker(id) ^ 1)]!
    if (phase === 'serving') {
      const bytes = this.#bytesOf(this.#table.piece(id)) - this.#uplinks.stop(uploader.index, id) / options.overhead
      counters.uploadedBytes += bytes
      counters.lostBytes += bytes
    }
    uploader.uploads.remove(id)
    this.#table.setPhase(id, 'lost', 0)
    this.#serve(uploader)
    return true
  }

  #onSent(id: TransferId): void {
    const { events, links, counters, wires, options } = this.#world
    const end = this.#table.asker(id)
    const bytes = this.#bytesOf(this.#table.piece(id))
    counters.uploadedBytes += bytes
    const onWire = bytes * options.overhead
    const startedMs = this.#table.startedMs(id)
    const arrivalMs = wires.cross(end ^ 1, startedMs, onWire, events.now)
    // From now on the beginning is when the first byte reached the downlink.
    const firstByteMs = startedMs + (arrivalMs - events.now)
    this.#table.setPhase(id, 'coming', firstByteMs)
    events.at(arrivalMs, this.#arrived, id, 0)
    this.#table.setHeld(id, true)
    if (!wires.holdsUp(links.nodeAt(end), firstByteMs, arrivalMs, onWire)) this.#release(id)
  }

  /** The uploader is rid of a piece: it is with the receiver, or in buffers on the way. */
  #release(id: TransferId): void {
    if (!this.#table.isHeld(id)) return
    const { links, nodes } = this.#world
    const end = this.#table.asker(id) ^ 1
    const uploader = nodes[links.nodeAt(end)]!
    this.#table.setHeld(id, false)
    uploader.uploads.remove(id)
    uploader.dispatch({ type: 'piece:given', link: end, piece: this.#table.piece(id) })
    this.#serve(uploader)
  }

  #onArrived(id: TransferId): void {
    const end = this.#table.asker(id)
    const { events, links, wires, options } = this.#world
    if (links.isCut(end)) {
      this.#release(id)
      return this.#waste(id)
    }
    const bytes = this.#bytesOf(this.#table.piece(id)) * options.overhead
    const node = links.nodeAt(end)
    const receivedMs = wires.receive(node, this.#table.startedMs(id), bytes, events.now)
    const acceptedMs = wires.acceptedMs(node, receivedMs)
    if (acceptedMs <= events.now) this.#release(id)
    else if (this.#table.isHeld(id)) events.at(acceptedMs, this.#accepted, id, 0)
    if (receivedMs > events.now) events.at(receivedMs, this.#received, id, 0)
    else this.#onReceived(id)
  }

  #onReceived(id: TransferId): void {
    const end = this.#table.asker(id)
    const { links, nodes } = this.#world
    if (this.#table.isLeft(id) || links.isCut(end)) return this.#waste(id)
    const piece = this.#table.piece(id)
    this.#table.leave(id)
    this.#table.free(id)
    nodes[links.nodeAt(end)]!.receive(end, piece, this.#bytesOf(piece))
  }

  /** The bytes came for nothing. */
  #waste(id: TransferId): void {
    this.#world.counters.lostBytes += this.#bytesOf(this.#table.piece(id))
    if (this.#table.isLeft(id)) this.#table.free(id)
    else this.#table.lose(id)
  }

  #bytesOf(piece: number): number {
    return pieceRange(this.#world.layout, piece).length
  }
}
