import type { Effect } from './effect.ts'
import { runsFrom, type SessionState } from './session-state.ts'

/** Runs of one ask or answer: what a message of the wire protocol carries. */
export const maxLeaseRuns = 64

/** Gives the lease back: what was not read of it is free for others. */
export function returnLease(state: SessionState, effects: Effect[]): void {
  const { lease } = state
  if (lease.number !== 0) {
    effects.push({
      type: 'ask-lease',
      number: lease.number,
      count: 0,
      held: [],
      wanted: runsFrom(leasedPieces(state), maxLeaseRuns),
      rateBytesPerSecond: 0,
    })
  }
  clearLease(state)
  lease.asking = false
  lease.askAtMs = 0
  lease.firstAskMs = undefined
  lease.wasHeld = false
  lease.askedMs = 0
  endSilence(state)
}

/** Nothing may be read any more. */
export function clearLease({ lease }: SessionState): void {
  lease.number = 0
  lease.pieces.clear()
  lease.imports.clear()
}

/** A tracker is there, and what it says brings something. */
export function endSilence({ lease }: SessionState): void {
  lease.silentMs = undefined
  lease.doubting = false
  lease.draws = 0
  lease.drawAtMs = 0
}

/** All that may be read, from wherever, in the order of the blob. */
export function leasedPieces({ lease, layout }: SessionState): number[] {
  const pieces: number[] = []
  for (let piece = 0; piece < layout.pieceCount; piece++) {
    if (lease.pieces.has(piece) || lease.imports.has(piece)) pieces.push(piece)
  }
  return pieces
}
