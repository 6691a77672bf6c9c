import { assertNever } from '../core/errors.ts'
import { decide } from './decide.ts'
import type { Effect } from './effect.ts'
import { releaseFresh } from './fresh-pieces.ts'
import { onAnswer } from './lease-grant.ts'
import { onTrackerLost } from './lease-policy.ts'
import { onSilence } from './lease-silence.ts'
import { askAgain, closeLink, forgetLink, learnCopy, learnFetching, learnFresh, learnHaves, loseHolds, openLink } from './link-facts.ts'
import type { LinkState } from './link-state.ts'
import type { OutstandingRequest } from './request-book.ts'
import { cancelAll, endDemand, stopRuns } from './session-change.ts'
import type { LinkId, SessionEvent } from './session-event.ts'
import type { SessionState } from './session-state.ts'
import { rejectBlob, refutePieces, turnToOrigin } from './rejected-pieces.ts'
import { endRequest, endRun, failRun, storePiece } from './source-facts.ts'

/**
 * Tells a session what happened at `now` (milliseconds, only growing); returns what is to be done.
 * Same state, same events, same times: same effects.
 */
export function step(state: SessionState, event: SessionEvent, now: number): Effect[] {
  const effects: Effect[] = []
  takeIn(state, event, now, effects)
  if (mayFreeLinks(event)) state.askDueMs = 0
  if (changesDecisions(event)) decide(state, now, effects)
  return effects
}

/** Moving bytes are most of all events and change no decision before the next tick; nor does what has left or arrived, before it is stored. */
function changesDecisions(event: SessionEvent): boolean {
  switch (event.type) {
    case 'request:sent':
    case 'request:moved':
    case 'origin:moved':
      return false
    case 'request:ended':
      return event.outcome.kind !== 'verified'
    default:
      return true
  }
}

/** Whether a link that had nothing to be asked for, or was not to be asked, may be asked now; what peers tell of new pieces is looked at piece by piece. */
function mayFreeLinks(event: SessionEvent): boolean {
  switch (event.type) {
    case 'link:have':
    case 'link:fresh':
    case 'link:fetching':
    case 'link:joined':
    case 'readers:moved':
    case 'request:sent':
    case 'request:moved':
    case 'origin:moved':
    case 'piece:given':
    case 'tick':
      return false
    default:
      return true
  }
}

/** Records the fact; what follows from the facts is decided in one place afterwards. */
function takeIn(state: SessionState, event: SessionEvent, now: number, effects: Effect[]): void {
  switch (event.type) {
    case 'link:opened':
      openLink(state, event)
      break
    case 'link:closed':
      closeLink(state, event.link)
      break
    case 'link:copy':
      onLink(state, event.link, (link) => learnCopy(state, link, event, now, effects))
      break
    case 'link:have':
      onLink(state, event.link, (link) => learnHaves(state, link, event.pieces, now))
      break
    case 'link:fresh':
      onLink(state, event.link, (link) => learnFresh(state, link, event.pieces, now))
      break
    case 'link:fetching':
      onLink(state, event.link, (link) => learnFetching(state, link, event, now, effects))
      break
    case 'link:forgot':
      onLink(state, event.link, forgetLink)
      break
    case 'link:joined':
      onLink(state, event.link, (link) => askAgain(state, link, effects))
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
        request.paceMs = now
      })
      break
    case 'request:moved':
      onRequest(state, event, (request) => {
        request.movedMs = now
        request.paceBytes += event.bytes
        // Models tell that something moved, not how much.
        if (event.bytes === 0) request.paceMs = now
        state.movedMs = now
        state.rateBytes += event.bytes
        if (isFood(state, event.link, event.piece)) state.fedMs = now
      })
      break
    case 'request:ended':
      onRequest(state, event, (request) => endRequest(state, request, event.outcome, now, effects))
      break
    case 'piece:stored':
      if (event.from === 'origin' || isFood(state, event.from, event.piece)) state.fedMs = now
      storePiece(state, event.piece, event.from, now, effects)
      break
    case 'origin:moved':
      moveRun(state, event.run, now)
      break
    case 'origin:waits':
      moveRun(state, event.run, now + event.durationMs)
      state.origin.retryAtMs = Math.max(state.origin.retryAtMs, now + event.durationMs)
      break
    case 'origin:ended':
      endRun(state, event.run)
      break
    case 'origin:failed':
      failRun(state, event, now)
      break
    case 'piece:given':
      // It is on its way, even if we end now.
      state.sole.delete(event.piece)
      if (state.fresh.get(event.piece)?.link === event.link) releaseFresh(state, event.piece)
      break
    case 'lease:answered':
      onAnswer(state, event, now, effects)
      break
    case 'lease:silent':
      onSilence(state, event.swarmSize, now)
      break
    case 'tracker:lost':
      onTrackerLost(state)
      break
    case 'blob:checked':
      if (event.ok) state.phase = 'complete'
      else rejectBlob(state, event, effects)
      break
    case 'pieces:refuted':
      refutePieces(state, event.pieces, effects)
      break
    case 'link:lost':
      onLink(state, event.link, (link) => loseHolds(state, link, event.pieces, effects))
      break
    case 'piece:doubted':
      state.origin.doubted.add(event.piece)
      break
    case 'peers:spent':
      turnToOrigin(state)
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

/** What comes from where it should: from our region, or as an import. The rest only keeps us from starving. */
function isFood(state: SessionState, link: LinkId, piece: number): boolean {
  return state.links.get(link)?.far !== true || state.lease.imports.has(piece)
}

function moveRun(state: SessionState, id: number, now: number): void {
  const run = state.origin.runs.get(id)
  if (!run) return
  run.movedMs = now
  state.movedMs = now
  state.fedMs = now
  state.origin.movedMs = now
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
    state.origin.backoffUntilMs = 0
    state.origin.retryAtMs = 0
  }
  if (state.wanted === wanted) return
  if (wanted) return beginDemand(state, now)
  endDemand(state, effects)
  // The check of a blob that is all here goes on: its answer is worth having, wanted or not.
  if (state.phase !== 'loading') return
  state.phase = 'idle'
  cancelAll(state, effects)
  stopRuns(state, effects)
}

function beginDemand(state: SessionState, now: number): void {
  state.wanted = true
  if (state.phase === 'idle' || state.phase === 'failed') state.phase = 'loading'
  state.mismatched = false
  state.settled = false
  state.startedMs = now
  state.movedMs = now
  state.fedMs = now
  state.rateMs = now
  state.rateBytes = 0
  state.originRateBytes = 0
}
