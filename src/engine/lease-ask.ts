import type { Effect } from './effect.ts'
import { leasedPieces, maxLeaseRuns, returnLease } from './lease-return.ts'
import { comesFromPeers } from './origin-policy.ts'
import { originRateAt } from './request-policy.ts'
import { inRuns, runsFrom, type SessionState } from './session-state.ts'

/** Fewer pieces are not worth an ask. */
const minLeasePieces = 16
/** Of a large blob on a fast link; more would keep others from sharing the work. */
const maxLeasePieces = 512
/** There was nothing more to ask for: it is looked at again then. */
const nothingMoreMs = 250
const maxAskedPieces = 4096

/** With `more`, only if there is more to be had. */
export function askForLease(state: SessionState, now: number, effects: Effect[], more = false): void {
  const { lease } = state
  const window = windowPieces(state, now)
  const held = heldPieces(state, window)
  const wanted = wantedPieces(state, now, new Set(held))
  const count = wanted.length > 0 ? Math.max(0, window - held.length) : 0
  if (count === 0 && more) {
    lease.askAtMs = now + nothingMoreMs
    return
  }
  if (count === 0 && held.length === 0) {
    if (lease.number !== 0) returnLease(state, effects)
    return
  }
  lease.asking = true
  lease.askedMs = now
  effects.push({
    type: 'ask-lease',
    number: lease.number,
    count: Math.min(count, maxAskedPieces),
    held: runsFrom(held, maxLeaseRuns),
    wanted: runsFrom(wanted, maxLeaseRuns),
    rateBytesPerSecond: Math.round(state.rate * 1000),
  })
}

/** How many pieces to hold at once: some seconds of work; all of them where nobody is to share it. */
export function windowPieces(state: SessionState, now: number): number {
  const { nearestFirst, layout, tuning } = state
  if (nearestFirst.length === 0) return layout.pieceCount
  const pieces = Math.ceil((originRateAt(state, now) * tuning.leaseAheadMs) / layout.pieceLength)
  return Math.min(maxLeasePieces, Math.max(minLeasePieces, pieces))
}

/** What we keep of the lease: what is being read, and as much behind it as we can read soon. Others may have the rest. */
function heldPieces(state: SessionState, window: number): number[] {
  const runs = [...state.origin.runs.values()]
  const pieces = leasedPieces(state)
  const reading = pieces.filter((piece) => inRuns(runs, piece))
  const waiting = pieces.filter((piece) => !inRuns(runs, piece))
  return [...reading, ...waiting].slice(0, Math.max(window, reading.length)).toSorted((a, b) => a - b)
}

/** Pieces that only the origin, or another region, can give: from a reader's place on, or from where we begin. */
export function wantedPieces(state: SessionState, now: number, held: ReadonlySet<number>): number[] {
  const { pieceCount } = state.layout
  const [reader] = state.readers
  const start = reader ?? (state.nearestFirst.length === 0 ? 0 : state.startPiece)
  const pieces: number[] = []
  for (let step = 0; step < pieceCount; step++) {
    const piece = (start + step) % pieceCount
    if (!state.availability.isOpen(piece) || held.has(piece)) continue
    if (!inRuns(state.origin.runs.values(), piece) && !comesFromPeers(state, piece, now)) pieces.push(piece)
  }
  return pieces
}
