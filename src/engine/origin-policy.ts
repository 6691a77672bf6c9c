import type { PieceRun } from '../wire/messages.ts'
import type { OriginRun, SessionState } from './session-state.ts'
import { inRuns } from './session-state.ts'

const mib = 1024 * 1024
/** With others around, a node reads this many pieces at a time: what it dies with is fetched again by others. */
const sharedRunPieces = 8
/** A node that knows nobody loses nothing by asking for much at once, and saves round trips. */
const loneRunBytes = 64 * mib
/** Two, not one: the origin's answer to the second travels while the first one's bytes do. */
const maxRuns = 2

/** Whether a session may turn to the origin at this time. */
export function mayFetch(state: SessionState, now: number): boolean {
  const { origin } = state
  if (state.phase !== 'loading' || !origin.usable) return false
  if (origin.runs.size >= maxRuns || now < origin.retryAtMs) return false
  return origin.only || hasSettled(state, now)
}

/** Whether everybody who could be found at once was found, and has said what it holds; or took too long. */
export function hasSettled(state: SessionState, now: number): boolean {
  if (now >= state.startedMs + state.tuning.settleMs) return true
  return state.settled && unansweredCount(state) === 0
}

function unansweredCount(state: SessionState): number {
  let count = 0
  for (const link of state.links.values()) if (link.asked && !link.answered) count++
  return count
}

/**
 * The next pieces to read from the origin: consecutive ones that are not here or on their way, and that no linked
 * peer has or is fetching. Readers are served first; otherwise each node begins elsewhere, so that nodes that
 * start together meet late.
 */
export function planRun(state: SessionState, now: number): PieceRun | undefined {
  const { layout, origin } = state
  if (state.availability.openCount === 0) return undefined
  const wanted = (piece: number): boolean =>
    !state.stored.has(piece) &&
    state.requests.of(piece).length === 0 &&
    !inRuns(origin.runs.values(), piece) &&
    (origin.only || !comesFromPeers(state, piece, now))
  const lone = state.links.size === 0
  const most = lone ? Math.max(sharedRunPieces, Math.ceil(loneRunBytes / layout.pieceLength)) : sharedRunPieces
  const first = firstWanted(state, wanted, lone || origin.only)
  if (first === undefined) return undefined
  let count = 1
  while (count < most && first + count < layout.pieceCount && wanted(first + count)) count++
  return { first, count }
}

function firstWanted(
  state: SessionState,
  wanted: (piece: number) => boolean,
  fromTheFront: boolean,
): number | undefined {
  const { pieceCount } = state.layout
  const [reader] = state.readers
  const start = reader ?? (fromTheFront ? 0 : state.startPiece)
  for (let step = 0; step < pieceCount; step++) {
    const piece = (start + step) % pieceCount
    if (wanted(piece)) return piece
  }
  return undefined
}

/** Whether a peer that can be counted on has the piece, or is fetching it. */
function comesFromPeers(state: SessionState, piece: number, now: number): boolean {
  const rare = state.availability.count(piece) === 0
  for (const link of state.links.values()) {
    if (link.distrusted) continue
    if (!rare && link.holds.has(piece) && !link.score.snubbed) return true
    if (now - link.fetchingMs < state.tuning.fetchStaleMs && inRuns(link.fetching, piece)) return true
  }
  return false
}

/**
 * How many pieces of our run to keep when a peer fetches some of the same: all where the peer has to let go, else
 * those before the overlap.
 */
export function keptCount(run: OriginRun, theirs: readonly PieceRun[], state: SessionState): number {
  let kept = run.count
  for (const other of theirs) {
    const overlap = Math.max(run.first, other.first)
    const end = Math.min(run.first + run.count, other.first + other.count)
    for (let piece = overlap; piece < end; piece++) {
      if (!state.stored.has(piece)) {
        kept = Math.min(kept, piece - run.first)
        break
      }
    }
  }
  return kept
}
