import type { Effect } from './effect.ts'
import { clearLease, endSilence, returnLease } from './lease-return.ts'
import { isCountedOn } from './link-state.ts'
import type { SessionEvent } from './session-event.ts'
import { inRuns, type SessionState } from './session-state.ts'

/** The tracker's answer stands in place of all that was allowed before. */
export function onAnswer(
  state: SessionState,
  event: SessionEvent & { type: 'lease:answered' },
  now: number,
  effects: Effect[],
): void {
  const { lease } = state
  lease.asking = false
  lease.askAtMs = now + event.retryAfterMs
  if (state.phase !== 'loading' || state.origin.only) {
    takeGrant(state, event, now)
    returnLease(state, effects)
    return
  }
  // A lease of our own making is not taken away by a tracker that has nothing to give.
  if (event.number === 0 && lease.number === 0) {
    // Who refuses is there; what it says may still bring nothing.
    if (!lease.doubting) endSilence(state)
    return
  }
  takeGrant(state, event, now)
  if (isHolding(state)) {
    lease.wasHeld = true
    endSilence(state)
  } else lease.emptyMs = now
  endRunsWithoutLease(state, effects)
}

export function isHolding({ lease }: SessionState): boolean {
  return lease.pieces.count > 0 || lease.imports.size > 0
}

/** Whoever gets a piece needs no leave to read it any more. */
export function settleLease({ lease }: SessionState, piece: number): void {
  lease.pieces.delete(piece)
  lease.imports.delete(piece)
}

/** A link to another region is gone: what no other one has is not brought in any more. */
export function loseImports(state: SessionState): void {
  for (const piece of state.lease.imports) if (!isInReach(state, piece)) state.lease.imports.delete(piece)
}

/** Runs end at the first missing piece that somebody else may read now. */
export function endRunsWithoutLease(state: SessionState, effects: Effect[]): void {
  for (const run of state.origin.runs.values()) {
    const reading = state.stored.firstMissing(run.first)
    let end = reading
    while (end < run.first + run.count && isOurs(state, end)) end++
    // What has begun to come is not thrown away.
    if (end === reading && state.requests.count === 0) end++
    const kept = end > reading ? end - run.first : 0
    if (kept >= run.count) continue
    run.count = kept
    if (kept === 0) state.origin.runs.delete(run.id)
    effects.push({ type: 'trim', run: run.id, count: kept })
  }
}

function isOurs(state: SessionState, piece: number): boolean {
  return state.stored.has(piece) || state.lease.pieces.has(piece)
}

function takeGrant(state: SessionState, event: SessionEvent & { type: 'lease:answered' }, now: number): void {
  const { lease } = state
  clearLease(state)
  lease.number = event.number
  lease.expiresMs = now + event.validMs
  for (const run of event.runs) {
    forEachPiece(state, run, (piece) => {
      // A tracker that took over does not know what other regions have read; who is linked there does.
      if (isInReach(state, piece) && !inRuns(state.origin.runs.values(), piece)) lease.imports.add(piece)
      else lease.pieces.add(piece)
    })
  }
  for (const { link, runs } of event.imports) {
    if (!state.links.has(link)) continue
    for (const run of runs) forEachPiece(state, run, (piece) => lease.imports.add(piece))
  }
}

/** Whether a link to another region has the piece. */
function isInReach({ nearestFirst }: SessionState, piece: number): boolean {
  return nearestFirst.some((link) => link.far && isCountedOn(link) && link.holds.has(piece))
}

function forEachPiece(
  state: SessionState,
  run: { readonly first: number; readonly count: number },
  use: (piece: number) => void,
): void {
  const end = Math.min(run.first + run.count, state.layout.pieceCount)
  for (let piece = run.first; piece < end; piece++) if (!state.stored.has(piece)) use(piece)
}
