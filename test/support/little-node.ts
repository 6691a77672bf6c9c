import { Bitfield } from '../../src/core/bitfield.ts'
import { seededRandom } from '../../src/core/random.ts'
import { wakeAtMs } from '../../src/engine/decide.ts'
import type { Effect, FailReason } from '../../src/engine/effect.ts'
import { checkInvariants } from '../../src/engine/invariants.ts'
import { step } from '../../src/engine/session.ts'
import type { LinkId, RequestOutcome, SessionEvent } from '../../src/engine/session-event.ts'
import { createSession, type SessionState } from '../../src/engine/session-state.ts'
import { uploadRank } from '../../src/engine/upload-queue.ts'
import { grantAll } from './generous-tracker.ts'
import { LittleUploads, type LittleUpload } from './little-uploads.ts'
import type { LittleSwarm } from './little-swarm.ts'

/**
 * - `honest`: does what the protocol says.
 * - `mute`: takes requests and never answers. `absent`, `busy`: answers always so.
 * - `corrupt`: gives bytes that do not match the piece's hash. `liar`: gives wrong bytes whose hash it vouched for.
 * - `boaster`: announces for ever that it fetches everything.
 */
export type Behaviour = 'honest' | 'mute' | 'absent' | 'busy' | 'corrupt' | 'liar' | 'boaster'

/** What a node has beside its session. Without one, a tracker that grants everything answers, and peers are found by chance. */
export interface Companion {
  distanceTo(other: LittleNode): number
  /** Somebody here waits for the blob; `settled` is called when the first search for others is over. */
  search(settled: () => void): void
  ask(ask: Effect & { type: 'ask-lease' }): void
  opened(link: LinkId, neighbour: Neighbour): void
  closed(link: LinkId): void
  /** The process is gone; what comes after starts from nothing. */
  killed(): void
}

export interface LittleNodeOptions {
  readonly companion?: (node: LittleNode) => Companion
  readonly behaviour?: Behaviour
  readonly complete?: boolean
  readonly origin?: boolean
  /** To give one piece away. */
  readonly pieceMs?: number
  /** Decides who yields: the greater one. */
  readonly rank?: number
}

export interface Neighbour {
  readonly node: LittleNode
  /** The number that the neighbour gave the link. */
  readonly theirs: LinkId
  readonly carry: (act: () => void) => void
}

interface Asked {
  cancelled: boolean
  cancelUpload: () => void
}

const storeMs = 1
const checkMs = 5
const leaseMs = 3

/** One node of a {@link LittleSwarm}: carries out what its session decides. */
export class LittleNode {
  readonly index: number
  readonly behaviour: Behaviour
  readonly #swarm: LittleSwarm
  readonly #options: LittleNodeOptions
  readonly #rank: number
  readonly #companion: Companion | undefined
  state: SessionState
  alive = true
  /** Every request of this node to the origin fails while it cannot reach it. */
  reachesOrigin = true
  /** Somebody here waits for the blob. */
  wanted = false
  readonly failures: FailReason[] = []
  /** Pieces from peers that were stored, again and again where that happened. */
  receivedPieces = 0
  distrusted = 0
  #neighbours = new Map<LinkId, Neighbour>()
  #asked = new Map<string, Asked>()
  #trims = new Map<number, (count: number) => void>()
  #uploads: LittleUploads
  /** Whether the bytes stored for each piece are the right ones. */
  #right: boolean[] = []
  /** Who gave each piece that a peer gave; here each vouches for its own. */
  #givers = new Map<number, LittleNode>()
  #events: SessionEvent[] = []
  #stepping = false
  #wakeMs: number | undefined
  /** Grows with each life; what a former one planned does not happen. */
  #life = 0

  constructor(swarm: LittleSwarm, index: number, options: LittleNodeOptions) {
    this.#swarm = swarm
    this.index = index
    this.behaviour = options.behaviour ?? 'honest'
    this.#options = options
    this.#rank = options.rank ?? index
    this.#companion = options.companion?.(this)
    this.#uploads = this.#newUploads()
    const { pieceCount } = swarm.layout
    const stored = new Bitfield(pieceCount)
    const pretends = this.behaviour !== 'honest' && this.behaviour !== 'boaster'
    if (options.complete || pretends) stored.fill()
    this.#right = Array.from({ length: pieceCount }, () => this.behaviour !== 'liar')
    this.state = this.#session(stored, new Bitfield(pieceCount), stored.complete)
    if (this.behaviour === 'boaster') this.#boast()
  }

  get complete(): boolean {
    return this.state.phase === 'complete'
  }

  /** What is under way: pieces asked for, and runs of the origin. */
  get busyCount(): number {
    return this.#asked.size + this.#trims.size
  }

  want(): void {
    this.wanted = true
    if (!this.alive) return
    this.dispatch({ type: 'demand:changed', wanted: true, originUsable: this.#options.origin ?? false })
    const settled = (): void => this.dispatch({ type: 'discovery:settled' })
    if (this.#companion) this.#companion.search(settled)
    else this.#later(this.#swarm.random.below(300), settled)
  }

  unwant(): void {
    this.wanted = false
    if (this.alive) this.dispatch({ type: 'demand:changed', wanted: false, originUsable: false })
  }

  open(link: LinkId, neighbour: Neighbour): void {
    this.#neighbours.set(link, neighbour)
    const distance = this.#companion?.distanceTo(neighbour.node) ?? this.#swarm.random.below(4)
    this.#companion?.opened(link, neighbour)
    this.dispatch({ type: 'link:opened', link, distance, weYield: this.#rank > neighbour.node.#rank })
  }

  close(link: LinkId): void {
    if (!this.#neighbours.delete(link)) return
    const lost = [...this.#asked].filter(([key]) => key.startsWith(`${link}/`))
    for (const [key, asked] of lost) {
      this.#asked.delete(key)
      asked.cancelled = true
      asked.cancelUpload()
    }
    this.dispatch({ type: 'link:closed', link })
    this.#companion?.closed(link)
  }

  /** Ends what is left of former links to a node: it opens another. */
  closeStale(other: LittleNode): void {
    for (const [link, { node }] of this.#neighbours) if (node === other) this.close(link)
  }

  /** Call {@link LittleSwarm.kill}: it also ends the links. */
  kill(): void {
    this.alive = false
    this.#life++
    this.#companion?.killed()
    for (const trim of this.#trims.values()) trim(0)
    for (const asked of this.#asked.values()) {
      asked.cancelled = true
      asked.cancelUpload()
    }
    this.#neighbours = new Map()
    this.#asked = new Map()
    this.#trims = new Map()
    this.#uploads = this.#newUploads()
    this.#wakeMs = undefined
  }

  /** Starts again with what was stored. */
  revive(): void {
    if (this.alive) return
    this.alive = true
    const { stored, fromOrigin } = this.state
    this.state = this.#session(stored.clone(), fromOrigin.clone(), this.complete)
    if (this.behaviour === 'boaster') this.#boast()
    if (this.wanted) this.want()
  }

  dispatch(event: SessionEvent): void {
    if (!this.alive) return
    this.#events.push(event)
    if (this.#stepping) return
    this.#stepping = true
    const { time, problems } = this.#swarm
    for (let next = this.#events.shift(); next; next = this.#events.shift()) {
      const effects = step(this.state, next, time.now)
      for (const effect of effects) {
        this.#swarm.note(this, effect)
        this.#carryOut(effect)
      }
      for (const rule of checkInvariants(this.state)) {
        problems.push(`node ${this.index} at ${time.now} ms after ${JSON.stringify(next)}: ${rule}`)
      }
    }
    this.#stepping = false
    this.#armTimer()
  }

  #session(stored: Bitfield, fromOrigin: Bitfield, complete: boolean): SessionState {
    const { layout, random, tuning } = this.#swarm
    return createSession({
      layout,
      stored,
      fromOrigin,
      complete,
      originUsable: false,
      startFraction: random.next(),
      random: seededRandom(random.below(2 ** 32)),
      tuning,
    })
  }

  #carryOut(effect: Effect): void {
    if ('link' in effect && !this.#neighbours.has(effect.link)) {
      this.#problem(`${effect.type} to link ${effect.link}, which is not open`)
    }
    switch (effect.type) {
      case 'tell-copy': {
        const holds = this.complete ? 'all' : [...this.state.stored.indexes()]
        this.#tell(effect.link, (link) => ({ type: 'link:copy', link, holds, wants: effect.wants }))
        break
      }
      case 'tell-have':
        this.#tell(effect.link, (link) => ({ type: 'link:have', link, pieces: effect.pieces }))
        break
      case 'tell-fresh':
        this.#tell(effect.link, (link) => ({ type: 'link:fresh', link, pieces: effect.pieces }))
        break
      case 'tell-fetching':
        this.#tell(effect.link, (link) => ({ type: 'link:fetching', link, runs: effect.runs }))
        break
      case 'tell-forget':
        this.#tell(effect.link, (link) => ({ type: 'link:forgot', link }))
        break
      case 'request':
        this.#request(effect.link, effect.piece)
        break
      case 'cancel':
        this.#cancel(effect.link, effect.piece)
        break
      case 'fetch':
        this.#fetch(effect.run, effect.first, effect.count)
        break
      case 'trim':
        if (!this.#trims.has(effect.run)) this.#problem(`run ${effect.run} is trimmed and not under way`)
        this.#trims.get(effect.run)?.(effect.count)
        if (effect.count === 0) this.#trims.delete(effect.run)
        break
      case 'ask-lease':
        if (this.#companion) this.#companion.ask(effect)
        else if (effect.count > 0 || effect.held.length > 0) this.#later(leaseMs, () => this.dispatch(grantAll(effect)))
        break
      case 'check':
        this.#later(checkMs, () => this.dispatch(this.#right.every(Boolean) ? { type: 'blob:checked', ok: true } : this.#reject()))
        break
      case 'drop':
        for (const piece of effect.pieces) {
          this.#right[piece] = true
          this.#givers.delete(piece)
        }
        break
      case 'distrust':
        this.distrusted++
        break
      case 'done':
        this.wanted = false
        if (this.busyCount > 0) this.#problem(`${this.busyCount} things are under way after the end`)
        break
      case 'fail':
        this.failures.push(effect.reason)
        if (this.busyCount > 0) this.#problem(`${this.busyCount} things are under way after giving up`)
        // Whoever waits tries again.
        this.#later(1000, () => {
          if (this.wanted) this.want()
        })
        break
    }
  }

  /** `event` is made for the other end, which knows the link by a number of its own. */
  #tell(link: LinkId, event: (link: LinkId) => SessionEvent): void {
    const neighbour = this.#neighbours.get(link)
    neighbour?.carry(() => neighbour.node.dispatch(event(neighbour.theirs)))
  }

  #request(link: LinkId, piece: number): void {
    const key = `${link}/${piece}`
    if (this.#asked.has(key)) this.#problem(`piece ${piece} is asked of link ${link} twice`)
    if (this.state.stored.has(piece)) this.#problem(`piece ${piece} is asked for and here`)
    const neighbour = this.#neighbours.get(link)
    if (!neighbour) return
    const asked: Asked = { cancelled: false, cancelUpload: () => {} }
    this.#asked.set(key, asked)
    this.dispatch({ type: 'request:sent', link, piece })
    const { node, theirs } = neighbour
    neighbour.carry(() => {
      if (asked.cancelled) return
      asked.cancelUpload = node.#serve({
        link: theirs,
        piece,
        moved: () => {
          if (!asked.cancelled) this.dispatch({ type: 'request:moved', link, piece, bytes: 0 })
        },
        answer: (outcome) => {
          if (asked.cancelled) return
          const right = node.#right[piece] ?? true
          this.#asked.delete(key)
          this.dispatch({ type: 'request:ended', link, piece, outcome })
          if (outcome.kind === 'verified') this.#later(storeMs, () => this.#store(piece, link, right))
        },
      })
    })
  }

  #cancel(link: LinkId, piece: number): void {
    const asked = this.#asked.get(`${link}/${piece}`)
    this.#asked.delete(`${link}/${piece}`)
    if (!asked) return
    asked.cancelled = true
    this.#neighbours.get(link)?.carry(() => asked.cancelUpload())
  }

  /** Answers a request, sooner or later; returns what cancels it. */
  #serve(upload: LittleUpload): () => void {
    const neighbour = this.#neighbours.get(upload.link)
    if (!neighbour || this.behaviour === 'mute') return () => {}
    const answer = (outcome: RequestOutcome): void => neighbour.carry(() => upload.answer(outcome))
    if (this.behaviour === 'busy') answer({ kind: 'busy', retryAfterMs: 50 })
    else if (this.behaviour === 'absent' || !this.state.stored.has(upload.piece)) answer({ kind: 'absent' })
    else return this.#uploads.add({ ...upload, answer })
    return () => {}
  }

  #newUploads(): LittleUploads {
    return new LittleUploads({
      pieceMs: this.#options.pieceMs ?? 10,
      rank: ({ link, piece }) => uploadRank(this.state, link, piece),
      outcome: (piece) => {
        if (!this.state.stored.has(piece)) return { kind: 'absent' }
        return { kind: this.behaviour === 'corrupt' ? 'corrupt' : 'verified' }
      },
      later: (delayMs, run) => this.#later(delayMs, run),
    })
  }

  /** If one alone gave what is not the origin's, that one is to blame, and gone; else nobody is. */
  #reject(): SessionEvent {
    const { stored, fromOrigin, origin } = this.state
    const drop = [...stored.indexes()].filter((piece) => !fromOrigin.has(piece))
    if (drop.length === 0) return { type: 'blob:checked', ok: false, drop: [...stored.indexes()], next: 'origin-mismatch' }
    const givers = new Set(drop.map((piece) => this.#givers.get(piece)))
    const [giver] = givers
    const liar = givers.size === 1 && fromOrigin.count === 0 ? giver : undefined
    if (liar) {
      this.distrusted++
      this.#swarm.cut(this, liar)
    }
    const next = origin.usable ? 'origin' : liar || givers.has(undefined) ? 'load' : 'peer-mismatch'
    return { type: 'blob:checked', ok: false, drop, next }
  }

  #store(piece: number, from: LinkId | 'origin', right: boolean): void {
    const giver = from === 'origin' ? undefined : this.#neighbours.get(from)?.node
    if (from !== 'origin') this.receivedPieces++
    if (!this.state.stored.has(piece)) {
      this.#right[piece] = right
      if (giver) this.#givers.set(piece, giver)
    }
    this.dispatch({ type: 'piece:stored', piece, from })
  }

  #fetch(run: number, first: number, count: number): void {
    if (!this.#options.origin) this.#problem('asks an origin that it does not have')
    const trim = this.#swarm.origin.read(run, first, count, {
      dispatch: (event) => {
        if (event.type !== 'origin:moved') this.#trims.delete(run)
        this.dispatch(event)
      },
      store: (piece) => this.#store(piece, 'origin', true),
      isReachable: () => this.reachesOrigin,
    })
    this.#trims.set(run, trim)
  }

  #boast(): void {
    const runs = [{ first: 0, count: this.#swarm.layout.pieceCount }]
    for (const link of this.#neighbours.keys()) {
      this.#tell(link, (theirs) => ({ type: 'link:fetching', link: theirs, runs }))
    }
    this.#later(500, () => this.#boast())
  }

  #armTimer(): void {
    const { time } = this.#swarm
    const wakeMs = wakeAtMs(this.state, time.now)
    if (wakeMs === undefined || (this.#wakeMs !== undefined && this.#wakeMs <= wakeMs)) return
    this.#wakeMs = wakeMs
    this.#later(wakeMs - time.now, () => {
      if (this.#wakeMs !== wakeMs) return
      this.#wakeMs = undefined
      this.dispatch({ type: 'tick' })
    })
  }

  #later(delayMs: number, run: () => void): void {
    const life = this.#life
    this.#swarm.time.after(delayMs, () => {
      if (this.#life === life) run()
    })
  }

  #problem(what: string): void {
    this.#swarm.problems.push(`node ${this.index} at ${this.#swarm.time.now} ms: ${what}`)
  }
}
