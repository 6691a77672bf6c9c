import { Bitfield } from '../../src/core/bitfield.ts'
import { pieceRange } from '../../src/core/piece-layout.ts'
import { seededRandom, type Random } from '../../src/core/random.ts'
import { wakeAtMs } from '../../src/engine/decide.ts'
import type { Effect } from '../../src/engine/effect.ts'
import { checkInvariants } from '../../src/engine/invariants.ts'
import { LinkBook } from '../../src/engine/links.ts'
import { step } from '../../src/engine/session.ts'
import type { LinkId, SessionEvent } from '../../src/engine/session-event.ts'
import { createSession, type SessionState } from '../../src/engine/session-state.ts'
import { UploadQueue, uploadRank, type UploadRequest } from '../../src/engine/upload-queue.ts'
import { limits } from '../../src/wire/protocol.ts'
import type { LinkEnd } from './link-table.ts'
import type { NodeEvents } from './node-events.ts'
import type { SimWorld } from './sim-world.ts'

/** One node: the production session, upload queue and link book, and what their decisions do to the simulated world. */
export class SimNode {
  readonly index: number
  readonly state: SessionState
  readonly uploads = new UploadQueue(limits.queuedRequestsPerPeer)
  readonly book: LinkBook
  readonly random: Random
  /** Ends of its open links, in the order in which they opened. */
  readonly ends: LinkEnd[] = []
  /** Its open links, by the node at the other end. */
  readonly endTo = new Map<number, LinkEnd>()
  readonly uploadRank: (request: UploadRequest) => number
  alive = true
  started = false
  /** Handshakes that others began with it and that are not over. */
  pendingInbound = 0
  /** When it began, was a tenth there in order, was all there; -1 before. */
  startedMs = -1
  tenthMs = -1
  doneMs = -1
  readonly #world: SimWorld
  readonly #events: NodeEvents
  readonly #reads: boolean
  #pending: SessionEvent[] = []
  #stepping = false
  #wakeMs = Infinity
  #cpuFreeMs = 0
  #inOrder = 0

  constructor(world: SimWorld, events: NodeEvents, index: number) {
    const { options, layout } = world
    this.#world = world
    this.#events = events
    this.index = index
    this.random = seededRandom(options.seed * 1_000_003 + index)
    this.book = new LinkBook(String(index), options.maxLinks, this.random, {
      location: world.topology.location(index),
      supernode: index < options.supernodes,
      placeOf: (peerId) => world.discovery.topic.places.of(Number(peerId)),
    })
    this.uploadRank = ({ link, piece }) => uploadRank(this.state, link, piece)
    this.#reads = options.readers === 'all' || (options.readers === 'quarter' && index % 4 === 0)
    this.state = createSession({
      layout,
      stored: new Bitfield(layout.pieceCount),
      fromOrigin: new Bitfield(layout.pieceCount),
      complete: false,
      originUsable: false,
      startFraction: world.topology.order[index]!,
      random: this.random,
    })
  }

  get done(): boolean {
    return this.doneMs >= 0
  }

  start(): void {
    if (!this.alive) return
    this.started = true
    this.startedMs = this.#world.events.now
    if (this.#reads) this.dispatch({ type: 'readers:moved', pieces: [0] })
    this.want()
    this.#world.discovery.start(this)
  }

  want(): void {
    this.dispatch({ type: 'demand:changed', wanted: true, originUsable: true })
  }

  /** Puts work on its one processor; returns when it is done. */
  work(ms: number): number {
    this.#cpuFreeMs = Math.max(this.#cpuFreeMs, this.#world.events.now) + ms
    return this.#cpuFreeMs
  }

  tick(): void {
    // Timers that were overtaken by sooner ones still come.
    if (!this.alive || this.#wakeMs !== this.#world.events.now) return
    this.#wakeMs = Infinity
    this.#world.transfers.touch(this)
    this.#world.origin.touch(this)
    this.dispatch({ type: 'tick' })
  }

  dispatch(event: SessionEvent): void {
    if (!this.alive) return
    if (this.#stepping) {
      this.#pending.push(event)
      return
    }
    this.#stepping = true
    for (let next: SessionEvent | undefined = event; next; next = this.#pending.shift()) this.#step(next)
    this.#stepping = false
    this.#setTimer()
  }

  /** A piece that was asked for has come. */
  receive(link: LinkId, piece: number, bytes: number): void {
    this.dispatch({ type: 'request:moved', link, piece, bytes })
    this.dispatch({ type: 'request:ended', link, piece, outcome: { kind: 'verified' } })
    this.#events.storeLater(this, piece, link)
  }

  store(piece: number, from: LinkId | 'origin'): void {
    const { counters, events, layout } = this.#world
    const { length } = pieceRange(layout, piece)
    if (!this.alive) {
      counters.lostBytes += length
      return
    }
    if (this.state.stored.has(piece)) counters.duplicateBytes += length
    else counters.keptBytes += length
    this.dispatch({ type: 'piece:stored', piece, from })
    const inOrder = this.state.stored.firstMissing(this.#inOrder)
    if (inOrder === this.#inOrder) return
    this.#inOrder = inOrder
    if (this.tenthMs < 0 && inOrder >= layout.pieceCount / 10) this.tenthMs = events.now
    if (this.#reads && inOrder < layout.pieceCount) this.dispatch({ type: 'readers:moved', pieces: [inOrder] })
  }

  #step(event: SessionEvent): void {
    const { counters, events, options } = this.#world
    counters.steps++
    const effects = step(this.state, event, events.now)
    if (effects.length > 0) this.#carryOut(effects)
    if (!options.check) return
    for (const rule of checkInvariants(this.state)) {
      throw new Error(`node ${this.index} at ${events.now} ms after ${JSON.stringify(event)}: ${rule} (seed ${options.seed})`)
    }
  }

  #carryOut(effects: readonly Effect[]): void {
    for (let index = 0; index < effects.length; index++) {
      const effect = effects[index]!
      // Haves follow each other by the dozen, and those of one distance arrive together.
      if (effect.type === 'tell-have') index = this.#events.tellHaves(effects, index) - 1
      else this.#carryOutOne(effect)
    }
  }

  #carryOutOne(effect: Exclude<Effect, { type: 'tell-have' }>): void {
    const { transfers, origin, events, discovery } = this.#world
    switch (effect.type) {
      case 'tell-copy': {
        const holds = this.state.phase === 'complete' ? 'all' : [...this.state.stored.indexes()]
        this.#events.tell({ type: 'link:copy', link: effect.link ^ 1, holds, wants: effect.wants })
        break
      }
      case 'tell-fresh':
        this.#events.tell({ type: 'link:fresh', link: effect.link ^ 1, pieces: effect.pieces })
        break
      case 'tell-fetching':
        this.#events.tell({ type: 'link:fetching', link: effect.link ^ 1, runs: effect.runs })
        break
      case 'tell-forget':
        this.#events.tell({ type: 'link:forgot', link: effect.link ^ 1 })
        break
      case 'request':
        transfers.request(effect.link, effect.piece)
        this.dispatch({ type: 'request:sent', link: effect.link, piece: effect.piece })
        break
      case 'cancel':
        transfers.cancel(effect.link, effect.piece)
        break
      case 'fetch':
        origin.read(this, effect.run, effect.first, effect.count)
        break
      case 'trim':
        origin.trim(this, effect.run, effect.count)
        break
      case 'ask-lease':
        discovery.askLease(this, effect)
        break
      case 'check':
        this.#events.checkLater(this)
        break
      case 'done':
        this.doneMs = events.now
        break
      case 'fail':
        this.#events.failed(this)
        break
      case 'drop':
      case 'distrust':
        throw new Error(`node ${this.index}: ${effect.type} where all bytes are right`)
    }
  }

  #setTimer(): void {
    const wakeMs = wakeAtMs(this.state, this.#world.events.now)
    if (wakeMs === undefined || wakeMs >= this.#wakeMs) return
    this.#wakeMs = wakeMs
    this.#events.wake(this, wakeMs)
  }
}
