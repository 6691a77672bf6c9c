import { Bitfield } from '../core/bitfield.ts'
import type { PieceLayout } from '../core/piece-layout.ts'
import type { Random } from '../core/random.ts'
import type { PieceRun } from '../wire/messages.ts'
import { Availability } from './availability.ts'
import { createLease, type LeaseState } from './lease-state.ts'
import type { LinkState } from './link-state.ts'
import { RequestBook } from './request-book.ts'
import type { LinkId } from './session-event.ts'
import { defaultTuning, type SessionTuning } from './session-tuning.ts'
import { UntoldPieces } from './untold-pieces.ts'

/** Pieces that we are reading from the origin, in order. */
export interface OriginRun {
  readonly id: number
  readonly first: number
  count: number
  movedMs: number
  /** It reads one piece, here or not, because what that piece is stands in doubt. */
  readonly settles: boolean
}

export interface OriginState {
  /** There is an origin, we may use it, and it has not refused for good. */
  usable: boolean
  /** All missing pieces are taken from the origin: peers' bytes did not match. */
  only: boolean
  /** Pieces of which the origin is to say what they are. */
  readonly doubted: Set<number>
  readonly runs: Map<number, OriginRun>
  /** What peers were last told of the runs, and when. */
  told: readonly PieceRun[]
  toldMs: number
  /** When it last gave something, or until when we wait as it asked. */
  movedMs: number
  failures: number
  /** We stay away until then: because it failed, and because it asked us to. */
  backoffUntilMs: number
  retryAtMs: number
}

/** A piece from outside that one peer was told of first. */
export interface FreshPiece {
  readonly link: LinkId
  readonly toldMs: number
}

/**
 * - `idle`: nobody here wants the blob; what is stored may still be given to others.
 * - `loading`, `checking`: on the way to the whole blob.
 * - `complete`: whole and verified.
 * - `failed`: given up; new demand starts it again.
 */
export type SessionPhase = 'idle' | 'loading' | 'checking' | 'complete' | 'failed'

export interface SessionInit {
  readonly layout: PieceLayout
  /** Pieces that the scratch holds from before; all of them for a complete blob. */
  readonly stored: Bitfield
  /** Those of them that came from the origin. */
  readonly fromOrigin: Bitfield
  /** The blob is in the store, verified. */
  readonly complete: boolean
  readonly originUsable: boolean
  /** Where in the blob this node starts to fetch, from 0 to below 1: nodes that fetch at once start apart. */
  readonly startFraction: number
  readonly random: Random
  readonly tuning?: Partial<SessionTuning> | undefined
}

/** One blob on one node: what is here, who has what, what is on its way. `step` alone changes it. */
export interface SessionState {
  readonly layout: PieceLayout
  readonly tuning: SessionTuning
  readonly random: Random
  readonly startPiece: number
  readonly stored: Bitfield
  readonly fromOrigin: Bitfield
  readonly links: Map<LinkId, LinkState>
  /** The same links, nearest first. */
  readonly nearestFirst: LinkState[]
  readonly availability: Availability
  readonly requests: RequestBook
  readonly origin: OriginState
  readonly lease: LeaseState
  /** Pieces that we brought in and that no near peer has. */
  readonly sole: Set<number>
  readonly untold: UntoldPieces
  /** Pieces that we brought in and that one peer alone has been told of. */
  readonly fresh: Map<number, FreshPiece>
  phase: SessionPhase
  /** Somebody here waits for the blob. */
  wanted: boolean
  /** Since the demand began, a whole blob was here that did not match. */
  mismatched: boolean
  settled: boolean
  startedMs: number
  /** When a piece last came or a source last showed life. */
  movedMs: number
  /** Peers that gave nothing yet and stalled, failed or sent something wrong since the last piece came, and when that was. */
  readonly luckless: { readonly links: Set<LinkId>; storedMs: number }
  /** The same, but for what a starving node took from other regions. */
  fedMs: number
  readers: readonly number[]
  /** Pieces asked for since the start; every fourth is taken in order. */
  picks: number
  nextRun: number
  /** Rates in bytes per millisecond: from all sources, and from the origin. */
  rate: number
  originRate: number
  rateMs: number
  rateBytes: number
  originRateBytes: number
  /** Deadlines are looked at again then. */
  expireAtMs: number
  /** No idle link has anything to be asked for before: with fifteen links, most steps are spared a walk over them. */
  askDueMs: number
  /** Pieces that some peer told us alone of and that we have not looked at. */
  offeredCount: number
  /** Links that said that they fetch something. */
  fetchingCount: number
  /** Links that were not asked what they have. */
  unaskedCount: number
  /** When peers are told of new pieces; and when they last were. */
  haveDueMs: number | undefined
  haveToldMs: number
}

export function createSession(init: SessionInit): SessionState {
  const { layout, stored } = init
  const availability = new Availability(layout.pieceCount)
  for (let piece = 0; piece < layout.pieceCount; piece++) {
    if (!stored.has(piece)) availability.open(piece)
  }
  return {
    layout,
    tuning: init.tuning ? { ...defaultTuning, ...init.tuning } : defaultTuning,
    random: init.random,
    startPiece: Math.floor(init.startFraction * layout.pieceCount),
    stored,
    fromOrigin: init.fromOrigin,
    links: new Map(),
    nearestFirst: [],
    availability,
    requests: new RequestBook(),
    origin: {
      usable: init.originUsable,
      only: false,
      doubted: new Set(),
      runs: new Map(),
      told: [],
      toldMs: 0,
      movedMs: 0,
      failures: 0,
      backoffUntilMs: 0,
      retryAtMs: 0,
    },
    lease: createLease(layout.pieceCount),
    sole: new Set(),
    untold: new UntoldPieces(),
    fresh: new Map(),
    phase: init.complete ? 'complete' : 'idle',
    wanted: false,
    mismatched: false,
    settled: false,
    startedMs: 0,
    movedMs: 0,
    luckless: { links: new Set(), storedMs: 0 },
    fedMs: 0,
    readers: [],
    picks: 0,
    nextRun: 1,
    rate: 0,
    originRate: 0,
    rateMs: 0,
    rateBytes: 0,
    originRateBytes: 0,
    expireAtMs: 0,
    askDueMs: 0,
    offeredCount: 0,
    fetchingCount: 0,
    unaskedCount: 0,
    haveDueMs: undefined,
    haveToldMs: 0,
  }
}

/** Whether a piece is in one of the runs. */
export function inRuns(runs: Iterable<PieceRun>, piece: number): boolean {
  for (const run of runs) if (piece >= run.first && piece < run.first + run.count) return true
  return false
}

/** Consecutive pieces together, in the order given; at most `most` runs. */
export function runsFrom(pieces: Iterable<number>, most: number): PieceRun[] {
  const runs: { first: number; count: number }[] = []
  for (const piece of pieces) {
    const last = runs.at(-1)
    if (last && last.first + last.count === piece) last.count++
    else if (runs.length === most) break
    else runs.push({ first: piece, count: 1 })
  }
  return runs
}
