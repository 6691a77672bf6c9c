import { pieceRange } from '../core/piece-layout.ts'
import type { Effect } from './effect.ts'
import type { OutstandingRequest } from './request-book.ts'
import { announce, announceFresh } from './fresh-pieces.ts'
import { settleLease } from './lease-grant.ts'
import { closePiece, distrust, release, removeHold } from './session-change.ts'
import type { LinkId, RequestOutcome, SessionEvent } from './session-event.ts'
import type { SessionState } from './session-state.ts'

export function endRequest(
  state: SessionState,
  request: OutstandingRequest,
  outcome: RequestOutcome,
  now: number,
  effects: Effect[],
): void {
  const link = state.links.get(request.link)
  if (outcome.kind === 'verified') {
    request.arrived = true
    link?.score.delivered(now - request.sentMs)
    return
  }
  release(state, request)
  if (!link) return
  if (outcome.kind === 'busy') link.score.busy(now, outcome.retryAfterMs)
  else if (outcome.kind === 'failed') {
    link.score.failed(now)
    if (link.score.meanMs === undefined) state.luckless.links.add(link.id)
  }
  else if (outcome.kind === 'absent') {
    removeHold(state, link, request.piece)
    link.score.failed(now)
  } else {
    distrust(state, link, effects)
    if (link.score.meanMs === undefined) state.luckless.links.add(link.id)
  }
}

/** A piece is here, wherever it came from; other requests for it are taken back. */
export function storePiece(
  state: SessionState,
  piece: number,
  from: LinkId | 'origin',
  now: number,
  effects: Effect[],
): void {
  for (const request of state.requests.of(piece)) {
    if (request.link !== from) effects.push({ type: 'cancel', link: request.link, piece })
    state.requests.remove(request)
  }
  closePiece(state, piece)
  const imported = state.lease.imports.has(piece)
  settleLease(state, piece)
  if (from === 'origin') {
    const { length } = pieceRange(state.layout, piece)
    state.fromOrigin.add(piece)
    state.origin.failures = 0
    state.origin.movedMs = now
    state.rateBytes += length
    state.originRateBytes += length
    state.origin.doubted.delete(piece)
  } else if (imported) {
    state.originRateBytes += pieceRange(state.layout, piece).length
    state.origin.movedMs = now
  }
  state.movedMs = now
  state.luckless.links.clear()
  state.luckless.storedMs = now
  if (!state.stored.add(piece)) return
  if (state.origin.runs.size > 0) endReadRuns(state, from === 'origin' ? piece : undefined, effects)
  if (from !== 'origin' && !imported) return announce(state, piece)
  if (state.availability.count(piece) === 0) state.sole.add(piece)
  announceFresh(state, piece, now)
}

/** A run of which all is here is over; it is ended where a peer gave what it would read yet. */
function endReadRuns(state: SessionState, read: number | undefined, effects: Effect[]): void {
  for (const run of state.origin.runs.values()) {
    if (run.settles) continue
    const end = run.first + run.count
    if (state.stored.firstMissing(run.first) < end) continue
    state.origin.runs.delete(run.id)
    if (read !== end - 1) effects.push({ type: 'trim', run: run.id, count: 0 })
  }
}

export function endRun(state: SessionState, id: number): void {
  if (state.origin.runs.delete(id)) state.origin.failures = 0
}

export function failRun(state: SessionState, event: SessionEvent & { type: 'origin:failed' }, now: number): void {
  const { origin } = state
  if (!origin.runs.delete(event.run)) return
  if (!event.retryable) origin.usable = false
  origin.retryAtMs = Math.max(origin.retryAtMs, now + (event.retryAfterMs ?? 0))
  // Runs that were read together fail together: that counts once.
  if (now < origin.backoffUntilMs) return
  origin.failures++
  if (origin.failures >= state.tuning.originTries) origin.usable = false
  // Half of the wait is random, so that nodes which failed together do not come back together.
  origin.backoffUntilMs = now + 250 * 2 ** origin.failures * (0.5 + state.random.next() / 2)
}
