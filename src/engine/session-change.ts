import type { Effect, FailReason } from './effect.ts'
import { returnLease } from './lease-return.ts'
import type { LinkState } from './link-state.ts'
import type { OutstandingRequest } from './request-book.ts'
import type { SessionState } from './session-state.ts'

/** From now on the piece is to be asked for. */
export function openPiece(state: SessionState, piece: number): void {
  if (state.availability.isOpen(piece)) return
  state.availability.open(piece)
  for (const link of state.nearestFirst) if (link.holds.has(piece)) link.openCount++
}

/** The piece is asked for, or here. */
export function closePiece(state: SessionState, piece: number): void {
  if (!state.availability.isOpen(piece)) return
  state.availability.close(piece)
  for (const link of state.nearestFirst) if (link.holds.has(piece)) link.openCount--
}

/** A peer has one piece more. */
export function addHold(state: SessionState, link: LinkState, piece: number): void {
  if (link.distrusted || !link.holds.add(piece)) return
  if (state.availability.isOpen(piece) && link.openCount++ === 0) state.askDueMs = 0
  if (link.far) return
  state.availability.change(piece, 1)
  if (state.sole.size > 0) state.sole.delete(piece)
}

/** A peer has one piece fewer. */
export function removeHold(state: SessionState, link: LinkState, piece: number): void {
  if (!link.holds.delete(piece)) return
  if (state.availability.isOpen(piece)) link.openCount--
  if (!link.far) loseHolder(state, piece)
}

/** What the peer was thought to have does not count any more. */
export function clearHolds(state: SessionState, link: LinkState): void {
  if (link.holds.count === 0) return
  if (!link.far) for (const piece of link.holds.indexes()) loseHolder(state, piece)
  link.holds.clear()
  link.openCount = 0
}

function loseHolder(state: SessionState, piece: number): void {
  state.availability.change(piece, -1)
  if (state.fromOrigin.has(piece) && state.availability.count(piece) === 0) state.sole.add(piece)
}

/** A request is over without its piece: the piece may be asked for again. */
export function release(state: SessionState, request: OutstandingRequest): void {
  state.requests.remove(request)
  state.askDueMs = 0
  if (!state.stored.has(request.piece) && state.requests.of(request.piece).length === 0) {
    openPiece(state, request.piece)
  }
}

/** The peer is not asked for this blob again. */
export function distrust(state: SessionState, link: LinkState, effects: Effect[]): void {
  link.distrusted = true
  clearHolds(state, link)
  for (const request of state.requests.all()) {
    if (request.link !== link.id) continue
    effects.push({ type: 'cancel', link: link.id, piece: request.piece })
    release(state, request)
  }
  effects.push({ type: 'distrust', link: link.id })
}

/** Takes back every request. */
export function cancelAll(state: SessionState, effects: Effect[]): void {
  for (const request of state.requests.all()) {
    effects.push({ type: 'cancel', link: request.link, piece: request.piece })
    release(state, request)
  }
}

/** Ends all reading from the origin. */
export function stopRuns(state: SessionState, effects: Effect[]): void {
  for (const run of state.origin.runs.values()) effects.push({ type: 'trim', run: run.id, count: 0 })
  state.origin.runs.clear()
}

/** Nobody here waits for the blob any more: peers need not tell us what they have, and others may read what we were to read. */
export function endDemand(state: SessionState, effects: Effect[]): void {
  state.wanted = false
  returnLease(state, effects)
  for (const link of state.nearestFirst) {
    if (link.asked) effects.push({ type: 'tell-forget', link: link.id })
    link.asked = false
  }
  state.unaskedCount = state.nearestFirst.length
}

/** Gives up; new demand starts again. */
export function fail(state: SessionState, reason: FailReason, effects: Effect[]): void {
  state.phase = 'failed'
  cancelAll(state, effects)
  stopRuns(state, effects)
  endDemand(state, effects)
  effects.push({ type: 'fail', reason })
}
