import type { PieceRun } from '../wire/messages.ts'
import type { Effect } from './effect.ts'
import type { LinkState, OriginRun, SessionState } from './session-state.ts'
import { inRuns } from './session-state.ts'

const mib = 1024 * 1024
/** With others around, a node reads this many pieces at a time: what it dies with is fetched again by others. */
const sharedRunPieces = 8
/** A node that knows nobody loses nothing by asking for much at once, and saves round trips. */
const loneRunBytes = 64 * mib
/** Two, not one: the origin's answer to the second travels while the first one's bytes do. */
const maxRuns = 2

/** Turns to the origin for what peers cannot give, as far as it may. */
export function fetchFromOrigin(state: SessionState, now: number, effects: Effect[]): void {
  while (mayFetch(state, now)) {
    const run = planRun(state, now)
    if (!run) return
    const id = state.nextRun++
    state.origin.runs.set(id, { id, ...run, movedMs: now })
    effects.push({ type: 'fetch', run: id, first: run.first, count: run.count })
  }
}

/** Whether a session may turn to the origin at this time. */
function mayFetch(state: SessionState, now: number): boolean {
  const { origin } = state
  if (state.phase !== 'loading' || !origin.usable) return false
  // An origin that failed is tried with one run before it gets two.
  if (origin.runs.size >= (origin.failures > 0 ? 1 : maxRuns)) return false
  if (now < origin.backoffUntilMs || now < origin.retryAtMs) return false
  return origin.only || hasSettled(state, now)
}

/** Whether everybody who could be found at once was found, and has said what it holds; or took too long. */
export function hasSettled(state: SessionState, now: number): boolean {
  if (now >= state.startedMs + state.tuning.settleMs) return true
  if (!state.settled) return false
  for (const link of state.links.values()) if (link.asked && !link.answered) return false
  return true
}

/** Whether what a peer says it has, or fetches, keeps us from the origin. */
export function isCountedOn(link: LinkState): boolean {
  return !link.distrusted && !link.score.snubbed
}

/** What we are reading from the origin, as peers are told. */
export function runsOf(state: SessionState): PieceRun[] {
  return [...state.origin.runs.values()].map(({ first, count }) => ({ first, count }))
}

/**
 * Nothing came for long, though peers say that they have or fetch what is missing: they are not waited for any
 * longer. Whoever delivers is counted on again.
 */
export function losePatience(state: SessionState, now: number): void {
  if (!state.origin.usable || now - state.movedMs < state.tuning.idleMs) return
  for (const link of state.links.values()) if (isCountedOn(link)) link.score.failed(now)
}

/** A run that stands still is given up where a peer now has some of it. */
export function endOvertakenRuns(state: SessionState, now: number, effects: Effect[]): void {
  if (state.origin.only) return
  for (const run of state.origin.runs.values()) {
    if (now - run.movedMs < state.tuning.fetchStaleMs || !isHeldByPeers(state, run, now)) continue
    state.origin.runs.delete(run.id)
    effects.push({ type: 'trim', run: run.id, count: 0 })
  }
}

function isHeldByPeers(state: SessionState, run: OriginRun, now: number): boolean {
  for (const link of state.links.values()) {
    if (!isCountedOn(link) || !link.score.mayAsk(now)) continue
    for (let piece = run.first; piece < run.first + run.count; piece++) {
      if (!state.stored.has(piece) && link.holds.has(piece)) return true
    }
  }
  return false
}

/**
 * The next pieces to read from the origin: consecutive ones that are not here or on their way, and that no linked
 * peer has or is fetching. Readers are served first; otherwise each node begins elsewhere, so that nodes that
 * start together meet late.
 */
function planRun(state: SessionState, now: number): PieceRun | undefined {
  const { layout, origin } = state
  if (state.availability.openCount === 0 || (!origin.only && isCovered(state))) return undefined
  const wanted = (piece: number): boolean =>
    state.availability.isOpen(piece) &&
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

/** Whether some peer that is counted on has each missing piece: the usual case, seen without looking at each. */
function isCovered(state: SessionState): boolean {
  return state.availability.unheldCount === 0 && [...state.links.values()].every(isCountedOn)
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
    if (!isCountedOn(link)) continue
    if (!rare && link.holds.has(piece)) return true
    if (now - link.fetchingMs < state.tuning.fetchStaleMs && inRuns(link.fetching, piece)) return true
  }
  return false
}

/** How many pieces of our run to keep when a peer with precedence fetches some of the same: those before the overlap. */
export function keptCount(run: OriginRun, theirs: readonly PieceRun[], state: SessionState): number {
  const end = run.first + run.count
  const firstMissing = state.stored.firstMissing(run.first)
  for (let piece = firstMissing; piece < end; piece++) {
    if (state.stored.has(piece) || !inRuns(theirs, piece)) continue
    return piece === firstMissing ? 0 : piece - run.first
  }
  return run.count
}
