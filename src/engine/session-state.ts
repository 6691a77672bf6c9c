import { Bitfield } from '../core/bitfield.ts'
import type { PieceLayout } from '../core/piece-layout.ts'
import type { Random } from '../core/random.ts'
import type { PieceRun } from '../wire/messages.ts'
import { Availability } from './availability.ts'
import { PeerScore } from './peer-score.ts'
import { RequestBook } from './request-book.ts'
import type { LinkId } from './session-event.ts'

/** One peer, as far as one blob is concerned. */
export interface LinkState {
  readonly id: LinkId
  readonly distance: number
  readonly weYield: boolean
  readonly score: PeerScore
  /** Pieces that it can give. */
  readonly holds: Bitfield
  /** We told it our copy and that we want to hear of its own. */
  asked: boolean
  /** It told us its copy since then. */
  answered: boolean
  /** It wants to hear of ours. */
  wants: boolean
  /** It sent bytes that were not what it had said. */
  distrusted: boolean
  fetching: readonly PieceRun[]
  /** When it last gave a sign that it goes on fetching. */
  fetchingMs: number
  /** Our pieces that it has not been told of yet. */
  readonly untold: number[]
}

/** Pieces that we are reading from the origin, in order. */
export interface OriginRun {
  readonly id: number
  readonly first: number
  count: number
  movedMs: number
}

export interface OriginState {
  /** There is an origin, we may use it, and it has not refused for good. */
  usable: boolean
  /** All missing pieces are taken from the origin: peers' bytes did not match. */
  only: boolean
  readonly runs: Map<number, OriginRun>
  /** What peers were last told of the runs, and when. */
  told: readonly PieceRun[]
  toldMs: number
  failures: number
  /** We stay away until then: because it failed, and because it asked us to. */
  backoffUntilMs: number
  retryAtMs: number
}

/**
 * - `idle`: nobody here wants the blob; what is stored may still be given to others.
 * - `loading`, `checking`: on the way to the whole blob.
 * - `complete`: whole and verified.
 * - `failed`: given up; new demand starts it again.
 */
export type SessionPhase = 'idle' | 'loading' | 'checking' | 'complete' | 'failed'

/** Numbers that decide how a session behaves; all have defaults in {@link defaultTuning}. */
export interface SessionTuning {
  /** Requests that may be out in all, at least. */
  readonly minRequests: number
  /** Bytes that may be asked for and not be here, at most. */
  readonly inFlightBytes: number
  /** How much of the download rate is kept outstanding, in milliseconds. */
  readonly aheadMs: number
  /** Silence of a peer that ends its request, whoever else has the piece; of all sources, that sends us to the origin. */
  readonly idleMs: number
  /** How long the origin waits for discovery and for peers to say what they have. */
  readonly settleMs: number
  /** A peer that fetches but shows no progress for this long is not counted on; nor is the origin where a peer could give. */
  readonly fetchStaleMs: number
  /** While they move, runs are announced again after this long, so that they do not look stale. */
  readonly fetchRenewMs: number
  /** Haves are sent together, at most this late. */
  readonly haveDelayMs: number
  /** Without progress for this long, a session that has sources gives up. */
  readonly patienceMs: number
  /** Attempts at an origin that fails but may recover. */
  readonly originTries: number
}

/** Where the model of swarm policies found its optimum, and the design's constants. */
export const defaultTuning: SessionTuning = {
  minRequests: 12,
  inFlightBytes: 64 * 1024 * 1024,
  aheadMs: 100,
  idleMs: 10_000,
  settleMs: 2000,
  fetchStaleMs: 3000,
  fetchRenewMs: 1000,
  haveDelayMs: 20,
  patienceMs: 30_000,
  originTries: 5,
}

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
  /** Which link gave each piece that did not come from the origin; -1 is unknown. */
  readonly givers: Int32Array
  readonly links: Map<LinkId, LinkState>
  readonly availability: Availability
  readonly requests: RequestBook
  readonly origin: OriginState
  phase: SessionPhase
  /** Somebody here waits for the blob. */
  wanted: boolean
  /** Since the demand began, a whole blob was here that did not match. */
  mismatched: boolean
  settled: boolean
  startedMs: number
  /** When a piece last came or a source last showed life. */
  movedMs: number
  readers: readonly number[]
  /** Pieces asked for since the start; every fourth is taken in order. */
  picks: number
  nextRun: number
  /** Download rate, in bytes per millisecond. */
  rate: number
  rateMs: number
  rateBytes: number
  haveDueMs: number | undefined
}

export function createSession(init: SessionInit): SessionState {
  const { layout, stored } = init
  const availability = new Availability(layout.pieceCount)
  for (let piece = 0; piece < layout.pieceCount; piece++) {
    if (!stored.has(piece)) availability.open(piece)
  }
  return {
    layout,
    tuning: { ...defaultTuning, ...init.tuning },
    random: init.random,
    startPiece: Math.floor(init.startFraction * layout.pieceCount),
    stored,
    fromOrigin: init.fromOrigin,
    givers: new Int32Array(layout.pieceCount).fill(-1),
    links: new Map(),
    availability,
    requests: new RequestBook(),
    origin: {
      usable: init.originUsable,
      only: false,
      runs: new Map(),
      told: [],
      toldMs: 0,
      failures: 0,
      backoffUntilMs: 0,
      retryAtMs: 0,
    },
    phase: init.complete ? 'complete' : 'idle',
    wanted: false,
    mismatched: false,
    settled: false,
    startedMs: 0,
    movedMs: 0,
    readers: [],
    picks: 0,
    nextRun: 1,
    rate: 0,
    rateMs: 0,
    rateBytes: 0,
    haveDueMs: undefined,
  }
}

export function createLink(id: LinkId, distance: number, weYield: boolean, pieceCount: number): LinkState {
  return {
    id,
    distance,
    weYield,
    score: new PeerScore(),
    holds: new Bitfield(pieceCount),
    asked: false,
    answered: false,
    wants: false,
    distrusted: false,
    fetching: [],
    fetchingMs: 0,
    untold: [],
  }
}

/** Whether a piece is in one of the runs. */
export function inRuns(runs: Iterable<PieceRun>, piece: number): boolean {
  for (const run of runs) if (piece >= run.first && piece < run.first + run.count) return true
  return false
}
