import assert from 'node:assert/strict'
import { Bitfield } from '../../src/core/bitfield.ts'
import type { PieceLayout } from '../../src/core/piece-layout.ts'
import { seededRandom } from '../../src/core/random.ts'
import { wakeAtMs } from '../../src/engine/decide.ts'
import type { Effect } from '../../src/engine/effect.ts'
import { checkInvariants } from '../../src/engine/invariants.ts'
import { step } from '../../src/engine/session.ts'
import type { LinkId, RequestOutcome, SessionEvent } from '../../src/engine/session-event.ts'
import { createSession, type SessionState } from '../../src/engine/session-state.ts'
import type { SessionTuning } from '../../src/engine/session-tuning.ts'
import { grantAll } from './generous-tracker.ts'
import { drawPieces, swarmPicture, type SwarmDrawing } from '../../src/testing/swarm-picture.ts'

export interface DrawnSessionOptions extends SwarmDrawing {
  /** Somebody wants the blob from the start. Default true. */
  readonly wanted?: boolean
  /** Whether peers want the blob too. Default true. */
  readonly peersWant?: boolean
  readonly origin?: boolean
  /** Discovery is over from the start. Default true. */
  readonly settled?: boolean
  /** Of each link; the first peer is link 1. Default 2. */
  readonly distances?: readonly number[]
  /** We let go when a peer fetches the same. Default false. */
  readonly weYield?: boolean
  readonly pieceBytes?: number
  readonly complete?: boolean
  readonly startFraction?: number
  readonly seed?: number
  /** A tracker that gives everybody what they ask for answers at once. Default true; otherwise the test answers. */
  readonly tracker?: boolean
  /** While nobody around has anything: it is this node's turn to ask at once, not after the wait that it draws. Default true. */
  readonly first?: boolean
  readonly tuning?: Partial<SessionTuning>
}

type EffectOf<Type extends Effect['type']> = Extract<Effect, { type: Type }>

export function only<Type extends Effect['type']>(type: Type, effects: readonly Effect[]): EffectOf<Type>[] {
  return effects.filter((effect): effect is EffectOf<Type> => effect.type === type)
}

/** Pieces that were asked of a link. */
export function askedOf(link: LinkId, effects: readonly Effect[]): number[] {
  return only('request', effects).flatMap((request) => (request.link === link ? [request.piece] : []))
}

/**
 * A session that a test draws, with a clock of its own. Requests leave at once; invariants are checked after every
 * step; time passes only by {@link DrawnSession.wait}, which ticks when the session asks for it.
 */
export class DrawnSession {
  readonly state: SessionState
  /** All effects up to now. */
  readonly effects: Effect[] = []
  now = 0
  readonly #tracker: boolean

  constructor(options: DrawnSessionOptions) {
    this.#tracker = options.tracker ?? true
    const { wanted = true, peersWant = true, settled = true, pieceBytes = 256 * 1024 } = options
    const picture = swarmPicture(options)
    const { pieceCount } = picture
    const layout: PieceLayout = { sizeBytes: pieceCount * pieceBytes, pieceLength: pieceBytes, pieceCount }
    this.state = createSession({
      layout,
      stored: bitfield(picture.have, pieceCount),
      fromOrigin: bitfield(picture.fromOrigin, pieceCount),
      complete: options.complete ?? false,
      originUsable: options.origin ?? false,
      startFraction: options.startFraction ?? 0,
      random: seededRandom(options.seed ?? 1),
      tuning: options.tuning,
    })
    if (options.first ?? true) this.state.lease.firstAskMs = 0
    // Peers speak first: what they have is known when the first decision falls.
    const speak = (): void => {
      for (const [index, { has, fetching }] of picture.peers.entries()) {
        const link = index + 1
        this.tell({ type: 'link:copy', link, holds: has, wants: peersWant })
        if (fetching.length > 0) this.tell({ type: 'link:fetching', link, runs: fetching })
      }
    }
    for (const index of picture.peers.keys()) {
      const distance = options.distances?.[index] ?? 2
      this.tell({ type: 'link:opened', link: index + 1, distance, weYield: options.weYield ?? false })
    }
    speak()
    if (!wanted) return
    this.tell({ type: 'demand:changed', wanted: true, originUsable: options.origin ?? false })
    speak()
    if (settled) this.tell({ type: 'discovery:settled' })
  }

  tell(event: SessionEvent): Effect[] {
    const effects = step(this.state, event, this.now)
    assert.deepEqual(checkInvariants(this.state), [], `after ${JSON.stringify(event)} at ${this.now} ms`)
    this.effects.push(...effects)
    for (const { link, piece } of only('request', effects)) {
      effects.push(...this.tell({ type: 'request:sent', link, piece }))
    }
    if (!this.#tracker) return effects
    for (const ask of only('ask-lease', effects)) {
      if (ask.count > 0 || ask.held.length > 0) effects.push(...this.tell(grantAll(ask)))
    }
    return effects
  }

  /** Lets time pass; ticks no later than the session asks. */
  wait(ms: number): Effect[] {
    const effects: Effect[] = []
    const end = this.now + ms
    while (this.now < end) {
      const wakeMs = wakeAtMs(this.state, this.now) ?? Infinity
      assert.ok(wakeMs > this.now, 'a session never asks to be woken in the past')
      this.now = Math.min(end, wakeMs)
      effects.push(...this.tell({ type: 'tick' }))
    }
    return effects
  }

  /** A peer, or the origin, gives a piece. */
  give(from: LinkId | 'origin', piece: number): Effect[] {
    const effects = from === 'origin' ? [] : this.end(from, piece, { kind: 'verified' })
    return [...effects, ...this.tell({ type: 'piece:stored', piece, from })]
  }

  end(link: LinkId, piece: number, outcome: RequestOutcome): Effect[] {
    return this.tell({ type: 'request:ended', link, piece, outcome })
  }

  open(link: LinkId, holds: readonly number[] | 'all', wants = true): Effect[] {
    return [
      ...this.tell({ type: 'link:opened', link, distance: 2, weYield: false }),
      ...this.tell({ type: 'link:copy', link, holds, wants }),
    ]
  }

  /** Requests that are out, as `link:piece`, in the order they were made. */
  get outstanding(): string[] {
    return this.state.requests.all().map(({ link, piece }) => `${link}:${piece}`)
  }

  get drawing(): string {
    return drawPieces(this.state.stored.indexes(), this.state.layout.pieceCount)
  }
}

export function drawnSession(options: DrawnSessionOptions): DrawnSession {
  return new DrawnSession(options)
}

function bitfield(pieces: Iterable<number>, size: number): Bitfield {
  const field = new Bitfield(size)
  for (const piece of pieces) field.add(piece)
  return field
}
