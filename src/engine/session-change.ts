import type { Effect, FailReason } from './effect.ts'
import type { OutstandingRequest } from './request-book.ts'
import type { LinkState, SessionState } from './session-state.ts'

/** A request is over without its piece: the piece may be asked for again. */
export function release(state: SessionState, request: OutstandingRequest): void {
  state.requests.remove(request)
  if (!state.stored.has(request.piece) && state.requests.of(request.piece).length === 0) {
    state.availability.open(request.piece)
  }
}

/** What the peer was thought to have does not count any more. */
export function clearHolds(state: SessionState, link: LinkState): void {
  for (const piece of link.holds.indexes()) state.availability.change(piece, -1)
  link.holds.clear()
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

/** Nobody here waits for the blob any more: peers need not tell us what they have. */
export function endDemand(state: SessionState, effects: Effect[]): void {
  state.wanted = false
  for (const link of state.links.values()) {
    if (link.asked) effects.push({ type: 'tell-forget', link: link.id })
    link.asked = false
  }
}

/** Gives up; new demand starts again. */
export function fail(state: SessionState, reason: FailReason, effects: Effect[]): void {
  state.phase = 'failed'
  cancelAll(state, effects)
  stopRuns(state, effects)
  endDemand(state, effects)
  effects.push({ type: 'fail', reason })
}
