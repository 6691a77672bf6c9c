import { assertNever } from '../core/errors.ts'
import { pieceRange } from '../core/piece-layout.ts'
import { decide } from './decide.ts'
import type { Effect } from './effect.ts'
import { keptCount } from './origin-policy.ts'
import type { OutstandingRequest } from './request-book.ts'
import { cancelAll, distrust, fail, release, stopRuns } from './session-change.ts'
import type { LinkId, RequestOutcome, SessionEvent } from './session-event.ts'
import { createLink, type LinkState, type SessionState } from './session-state.ts'

/**
 * Tells a session what happened at `now` (milliseconds, only growing); returns what is to be done.
 * Same state, same events, same times: same effects.
 */
export function step(state: SessionState, event: SessionEvent, now: number): Effect[] {
  const effects: Effect[] = []
  takeIn(state, event, now, effects)
  decide(state, now, effects)
  return effects
}

/** Records the fact; what follows from the facts is decided in one place afterwards. */
function takeIn(state: SessionState, event: SessionEvent, now: number, effects: Effect[]): void {
  switch (event.type) {
    case 'link:opened':
      state.links.set(event.link, createLink(event.link, event.distance, event.weYield, state.layout.pieceCount))
      break
    case 'link:closed':
      closeLink(state, event.link)
      break
    case 'link:copy':
      onLink(state, event.link, (link) => learnCopy(state, link, event, effects))
      break
    case 'link:have':
      onLink(state, event.link, (link) => {
        for (const piece of event.pieces) learnHave(state, link, piece)
        link.fetchingMs = now
      })
      break
    case 'link:fetching':
      onLink(state, event.link, (link) => {
        link.fetching = event.runs
        link.fetchingMs = now
        if (link.weYield) yieldRuns(state, link, effects)
      })
      break
    case 'link:forgot':
      onLink(state, event.link, (link) => {
        link.wants = false
        link.untold.length = 0
      })
      break
    case 'demand:changed':
      changeDemand(state, event, now, effects)
      break
    case 'readers:moved':
      state.readers = event.pieces
      break
    case 'discovery:settled':
      state.settled = true
      break
    case 'request:sent':
      onRequest(state, event, (request) => {
        request.sent = true
        request.sentMs = now
        request.movedMs = now
      })
      break
    case 'request:moved':
      onRequest(state, event, (request) => {
        request.movedMs = now
        state.rateBytes += event.bytes
      })
      state.movedMs = now
      break
    case 'request:ended':
      onRequest(state, event, (request) => endRequest(state, request, event.outcome, now, effects))
      break
    case 'piece:stored':
      storePiece(state, event.piece, event.from, now, effects)
      break
    case 'origin:moved':
      state.movedMs = now
      onRun(state, event.run, now)
      break
    case 'origin:ended':
      state.origin.runs.delete(event.run)
      state.origin.failures = 0
      break
    case 'origin:failed':
      failRun(state, event, now)
      break
    case 'blob:checked':
      if (event.ok) state.phase = 'complete'
      else distrustPieces(state, effects)
      break
    case 'tick':
      break
    default:
      assertNever(event)
  }
}

function onLink(state: SessionState, id: LinkId, change: (link: LinkState) => void): void {
  const link = state.links.get(id)
  if (link) change(link)
}

function onRequest(
  state: SessionState,
  { link, piece }: { link: LinkId; piece: number },
  change: (request: OutstandingRequest) => void,
): void {
  const request = state.requests.find(link, piece)
  if (request) change(request)
}

function onRun(state: SessionState, id: number, now: number): void {
  const run = state.origin.runs.get(id)
  if (run) run.movedMs = now
}

function closeLink(state: SessionState, id: LinkId): void {
  const link = state.links.get(id)
  if (!link) return
  for (const request of [...state.requests.all()]) if (request.link === id) release(state, request)
  for (const piece of link.holds.indexes()) state.availability.change(piece, -1)
  state.links.delete(id)
}

function learnCopy(
  state: SessionState,
  link: LinkState,
  event: SessionEvent & { type: 'link:copy' },
  effects: Effect[],
): void {
  link.answered = true
  for (const piece of link.holds.indexes()) state.availability.change(piece, -1)
  link.holds.clear()
  if (event.holds === 'all') {
    for (let piece = 0; piece < state.layout.pieceCount; piece++) learnHave(state, link, piece)
  } else {
    for (const piece of event.holds) learnHave(state, link, piece)
  }
  // Who begins to ask is answered, even with nothing: silence would be taken for slowness. It is told anew if it
  // was told before: what came since then was not kept for it.
  const asks = event.wants && !link.wants
  link.wants = event.wants
  link.untold.length = 0
  if (asks) effects.push({ type: 'tell-copy', link: link.id, wants: state.phase === 'loading' })
}

function learnHave(state: SessionState, link: LinkState, piece: number): void {
  if (link.holds.add(piece)) state.availability.change(piece, 1)
}

/** Both of us read the same pieces from the origin, and the other one has precedence. */
function yieldRuns(state: SessionState, link: LinkState, effects: Effect[]): void {
  if (state.origin.only) return
  for (const run of state.origin.runs.values()) {
    const kept = keptCount(run, link.fetching, state)
    if (kept < run.count) {
      run.count = kept
      effects.push({ type: 'trim', run: run.id, count: kept })
    }
    if (kept === 0) state.origin.runs.delete(run.id)
  }
}

function changeDemand(
  state: SessionState,
  { wanted, originUsable }: SessionEvent & { type: 'demand:changed' },
  now: number,
  effects: Effect[],
): void {
  // A caller who brings an origin revives one that was given up.
  if (wanted && originUsable && !state.origin.usable) {
    state.origin.usable = true
    state.origin.failures = 0
    state.origin.retryAtMs = 0
  }
  if (state.wanted === wanted) return
  state.wanted = wanted
  if (state.phase === 'complete') return
  if (wanted) {
    state.phase = 'loading'
    state.failure = undefined
    state.startedMs = now
    state.movedMs = now
    state.rateMs = now
    state.settled = false
    return
  }
  state.phase = 'idle'
  cancelAll(state, effects)
  stopRuns(state, effects)
  for (const link of state.links.values()) {
    if (link.asked) effects.push({ type: 'tell-forget', link: link.id })
    link.asked = false
    link.answered = false
  }
}

function endRequest(
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
    if (link.holds.delete(request.piece)) state.availability.change(request.piece, -1)
    link.score.failed(now)
  } else {
    distrust(state, link, effects)
  }
}

function storePiece(
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
  state.availability.close(piece)
  if (from === 'origin') {
    state.fromOrigin.add(piece)
    state.origin.failures = 0
    state.rateBytes += pieceRange(state.layout, piece).length
  } else {
    state.givers[piece] = from
  }
  state.movedMs = now
  if (!state.stored.add(piece)) return
  for (const link of state.links.values()) if (link.wants) link.untold.push(piece)
}

function failRun(state: SessionState, event: SessionEvent & { type: 'origin:failed' }, now: number): void {
  const { origin } = state
  if (!origin.runs.delete(event.run)) return
  origin.failures++
  if (!event.retryable || origin.failures >= state.tuning.originTries) origin.usable = false
  // Half of the wait is random, so that nodes which failed together do not come back together.
  const backoffMs = 250 * 2 ** origin.failures * (0.5 + state.random.next() / 2)
  origin.retryAtMs = now + Math.max(backoffMs, event.retryAfterMs ?? 0)
}

/**
 * The whole blob does not match. The origin's own pieces stay; the others are dropped. If one peer gave all of
 * those, it is not asked again, whatever else it has.
 */
function distrustPieces(state: SessionState, effects: Effect[]): void {
  const dropped: number[] = []
  const givers = new Set<number>()
  for (let piece = 0; piece < state.layout.pieceCount; piece++) {
    if (state.fromOrigin.has(piece)) continue
    dropped.push(piece)
    givers.add(state.givers[piece] ?? -1)
  }
  const allFromOrigin = dropped.length === 0
  // Nothing is kept of a blob that is wrong at its origin: the next attempt reads it anew.
  if (allFromOrigin) dropped.push(...state.stored.indexes())
  for (const piece of dropped) {
    state.stored.delete(piece)
    state.fromOrigin.delete(piece)
    state.givers[piece] = -1
    state.availability.open(piece)
  }
  effects.push({ type: 'drop', pieces: dropped })
  if (allFromOrigin) return fail(state, 'origin-mismatch', effects)
  const [giver] = givers
  const liar = givers.size === 1 && giver !== undefined ? state.links.get(giver) : undefined
  if (liar) distrust(state, liar, effects)
  state.phase = 'loading'
  if (state.origin.usable) state.origin.only = true
  else if (!liar && !givers.has(-1)) fail(state, 'peer-mismatch', effects)
  // Our copy shrank: those who count on it are told anew.
  for (const link of state.links.values()) {
    link.untold.length = 0
    if (link.wants) effects.push({ type: 'tell-copy', link: link.id, wants: true })
  }
}
