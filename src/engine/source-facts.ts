import { pieceRange } from '../core/piece-layout.ts'
import type { Effect, FailReason } from './effect.ts'
import { tellCopy } from './link-facts.ts'
import type { OutstandingRequest } from './request-book.ts'
import { announce, announceFresh, forgetFresh } from './fresh-pieces.ts'
import { settleLease } from './lease-grant.ts'
import { closePiece, distrust, fail, openPiece, release, removeHold } from './session-change.ts'
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
  else if (outcome.kind === 'failed') link.score.failed(now)
  else if (outcome.kind === 'absent') {
    removeHold(state, link, request.piece)
    link.score.failed(now)
  } else {
    distrust(state, link, effects)
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
  } else {
    state.givers[piece] = from
    if (imported) {
      state.originRateBytes += pieceRange(state.layout, piece).length
      state.origin.movedMs = now
    }
  }
  state.movedMs = now
  if (!state.stored.add(piece)) return
  if (state.origin.runs.size > 0) endReadRuns(state, from === 'origin' ? piece : undefined, effects)
  if (from !== 'origin' && !imported) return announce(state, piece)
  if (state.availability.count(piece) === 0) state.sole.add(piece)
  announceFresh(state, piece, now)
}

/** A run of which all is here is over; it is ended where a peer gave what it would read yet. */
function endReadRuns(state: SessionState, read: number | undefined, effects: Effect[]): void {
  for (const run of state.origin.runs.values()) {
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

/**
 * The whole blob does not match. The origin's own pieces stay; the others are dropped. If one peer gave all of
 * those, it is not asked again, whatever else it has.
 */
export function rejectBlob(state: SessionState, effects: Effect[]): void {
  const suspects: number[] = []
  const givers = new Set<number>()
  for (let piece = 0; piece < state.layout.pieceCount; piece++) {
    if (state.fromOrigin.has(piece)) continue
    suspects.push(piece)
    givers.add(state.givers[piece] ?? unknownGiver)
  }
  // Nothing is kept of a blob that is wrong at its origin: the next attempt reads it anew.
  dropPieces(state, suspects.length > 0 ? suspects : [...state.stored.indexes()], effects)
  state.phase = state.wanted ? 'loading' : 'idle'
  const reason = suspects.length > 0 ? blame(state, givers, effects) : 'origin-mismatch'
  // Who is to blame among several, the origin's bytes did not tell: the next attempt begins without a suspicion.
  if (reason === 'origin-mismatch') state.origin.only = false
  if (reason && state.wanted) fail(state, reason, effects)
  // Our copy shrank: those who count on it are told anew.
  for (const link of state.links.values()) if (link.wants) tellCopy(state, link, effects)
}

/** A piece that was here before this process, or whose giver is not known. */
const unknownGiver = -1

/** Finds out who gave the wrong bytes, and where to get right ones; a reason when there is no way. */
function blame(state: SessionState, givers: ReadonlySet<number>, effects: Effect[]): FailReason | undefined {
  const again = state.mismatched
  state.mismatched = true
  const [giver = unknownGiver] = givers
  const liar = givers.size === 1 ? state.links.get(giver) : undefined
  if (liar) distrust(state, liar, effects)
  if (state.origin.usable) {
    state.origin.only = true
    return undefined
  }
  // Without an origin, peers are asked again as long as those who lied are found out; once, if they have gone.
  const gone = givers.size === 1 || givers.has(unknownGiver)
  return liar || (gone && !again) ? undefined : 'peer-mismatch'
}

function dropPieces(state: SessionState, pieces: readonly number[], effects: Effect[]): void {
  for (const piece of pieces) {
    state.stored.delete(piece)
    state.fromOrigin.delete(piece)
    state.givers[piece] = unknownGiver
    state.sole.delete(piece)
    forgetFresh(state, piece)
    openPiece(state, piece)
  }
  effects.push({ type: 'drop', pieces })
}
