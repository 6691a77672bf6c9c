import type { Effect } from './effect.ts'
import { forgetFresh } from './fresh-pieces.ts'
import { tellCopy } from './link-facts.ts'
import { fail, openPiece } from './session-change.ts'
import type { SessionEvent } from './session-event.ts'
import type { SessionState } from './session-state.ts'

/** The whole blob does not match. Which pieces go, and whom to turn to, was found out by whoever knows what they rested on. */
export function rejectBlob(
  state: SessionState,
  { drop, next }: SessionEvent & { type: 'blob:checked'; ok: false },
  effects: Effect[],
): void {
  state.mismatched = true
  dropPieces(state, drop, effects)
  state.phase = state.wanted ? 'loading' : 'idle'
  if (next === 'origin') state.origin.only = true
  if (next === 'origin-mismatch' || next === 'peer-mismatch') {
    // The next attempt begins without a suspicion.
    state.origin.only = false
    if (state.wanted) fail(state, next, effects)
  }
  tellShrunkenCopy(state, effects)
}

/** Pieces that rest on nothing any more; while the whole is being checked, the digest will tell. */
export function refutePieces(state: SessionState, pieces: readonly number[], effects: Effect[]): void {
  if (state.phase === 'checking' || state.phase === 'complete') return
  dropPieces(state, pieces.filter((piece) => state.stored.has(piece)), effects)
  tellShrunkenCopy(state, effects)
}

/** Peers are not asked any more, where there is an origin; what is on its way may come. */
export function turnToOrigin(state: SessionState): void {
  if (state.origin.usable) state.origin.only = true
}

function dropPieces(state: SessionState, pieces: readonly number[], effects: Effect[]): void {
  if (pieces.length === 0) return
  for (const piece of pieces) {
    state.stored.delete(piece)
    state.fromOrigin.delete(piece)
    state.sole.delete(piece)
    forgetFresh(state, piece)
    openPiece(state, piece)
  }
  effects.push({ type: 'drop', pieces })
}

/** Those who count on our copy are told anew. */
function tellShrunkenCopy(state: SessionState, effects: Effect[]): void {
  for (const link of state.links.values()) if (link.wants) tellCopy(state, link, effects)
}
