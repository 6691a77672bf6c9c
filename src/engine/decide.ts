import type { PieceRun } from '../wire/messages.ts'
import type { Effect } from './effect.ts'
import { releaseStale } from './fresh-pieces.ts'
import { seekLease } from './lease-policy.ts'
import { tellCopy } from './link-facts.ts'
import type { LinkState } from './link-state.ts'
import { doubtPeers } from './luckless-peers.ts'
import { endOvertakenRuns, fetchFromOrigin, hasSettled, losePatience, runsOf } from './origin-policy.ts'
import { expireRequests, measureRate, requestPieces } from './request-policy.ts'
import { endDemand, fail } from './session-change.ts'
import type { SessionState } from './session-state.ts'

/** The one place from facts to effects. */
export function decide(state: SessionState, now: number, effects: Effect[]): void {
  if (state.phase === 'complete') finish(state, effects)
  if (state.wanted && state.unaskedCount > 0) askLinks(state, effects)
  if (state.phase === 'loading') load(state, now, effects)
  tellPeers(state, now, effects)
}

/** When `step` must be called with a tick at the latest, in milliseconds; `undefined` while nothing depends on time. */
export function wakeAtMs(state: SessionState, now: number): number | undefined {
  let dueMs = state.haveDueMs ?? Infinity
  // Deadlines of requests and back-offs are looked at together, ten times a second.
  if (state.phase === 'loading' || state.fresh.size > 0) dueMs = Math.min(dueMs, now + 100)
  if (dueMs === Infinity) return undefined
  const settleMs = state.startedMs + state.tuning.settleMs
  if (state.phase === 'loading' && settleMs < dueMs && !hasSettled(state, now)) dueMs = settleMs
  return Math.max(now + 1, dueMs)
}

function finish(state: SessionState, effects: Effect[]): void {
  if (!state.wanted) return
  endDemand(state, effects)
  effects.push({ type: 'done' })
}

function askLinks(state: SessionState, effects: Effect[]): void {
  for (const link of state.nearestFirst) {
    if (link.asked) continue
    link.asked = true
    // What it may have said while we did not listen is old.
    link.answered = false
    tellCopy(state, link, effects)
  }
  state.unaskedCount = 0
}

function load(state: SessionState, now: number, effects: Effect[]): void {
  expireRequests(state, now, effects)
  measureRate(state, now)
  if (state.stored.complete) {
    state.phase = 'checking'
    effects.push({ type: 'check' })
    return
  }
  losePatience(state, now)
  doubtPeers(state, now)
  endOvertakenRuns(state, now, effects)
  requestPieces(state, now, effects)
  seekLease(state, now, effects)
  fetchFromOrigin(state, now, effects)
  giveUp(state, now, effects)
}

/** Sources are gone, or have been silent for longer than anybody should wait. */
function giveUp(state: SessionState, now: number, effects: Effect[]): void {
  const { origin, tuning } = state
  if (origin.usable || state.requests.count > 0 || origin.runs.size > 0) return
  const hopeless = origin.only || (state.settled && !state.nearestFirst.some((link) => isHopeful(state, link)))
  if (!hopeless && now - state.movedMs < tuning.patienceMs) return
  fail(state, state.mismatched ? 'peer-mismatch' : 'no-source', effects)
}

/** Whether a peer has something for us, is loading the blob itself, or has yet to say. */
function isHopeful(state: SessionState, link: LinkState): boolean {
  if (link.distrusted) return false
  if (link.wants || !link.answered) return true
  for (const piece of link.holds.indexes()) if (!state.stored.has(piece)) return true
  return false
}

/**
 * What peers need to hear of our progress. Pieces that became ours are told in batches: a message a piece would cost more than it
 * brings. What we read from the origin is told when it changes, and again while it moves: silence means that we are gone.
 */
function tellPeers(state: SessionState, now: number, effects: Effect[]): void {
  const { origin } = state
  if (state.fresh.size > 0) releaseStale(state, now)
  const runs = origin.runs.size > 0 || state.lease.imports.size > 0 ? runsOf(state) : noRuns
  const fetchingDue = (runs.length > 0 || origin.told.length > 0) && isFetchingDue(state, runs, now)
  if (state.fresh.size > 0) tellFresh(state, effects)
  // Haves go first: between the end of a run and its haves, others would think that nobody has or reads its pieces.
  tellHaves(state, now, fetchingDue, effects)
  if (!fetchingDue) return
  origin.told = runs
  origin.toldMs = now
  for (const link of state.nearestFirst) {
    if (link.wants) effects.push({ type: 'tell-fetching', link: link.id, runs })
  }
}

const noRuns: readonly PieceRun[] = []

function isFetchingDue({ origin, tuning }: SessionState, runs: readonly PieceRun[], now: number): boolean {
  if (runs.length !== origin.told.length) return true
  for (const [index, { first, count }] of runs.entries()) {
    const told = origin.told[index]
    if (first !== told?.first || count !== told.count) return true
  }
  if (now - origin.toldMs < tuning.fetchRenewMs) return false
  return origin.movedMs > origin.toldMs
}

/** What one peer is told alone is told at once. */
function tellFresh(state: SessionState, effects: Effect[]): void {
  for (const link of state.nearestFirst) {
    if (link.untoldFresh.length === 0) continue
    effects.push({ type: 'tell-fresh', link: link.id, pieces: link.untoldFresh })
    link.untoldFresh = []
  }
}

/** The first ones at once, then at most one message a peer in each interval. */
function tellHaves(state: SessionState, now: number, flush: boolean, effects: Effect[]): void {
  if (state.haveDueMs !== undefined && now < state.haveDueMs && !flush && state.phase === 'loading') return
  const due = state.haveToldMs + state.tuning.haveDelayMs
  state.haveDueMs = undefined
  if (state.untold.count === 0) return
  for (const link of state.nearestFirst) {
    const pieces = link.wants ? state.untold.of(link) : []
    if (pieces.length === 0) continue
    if (now < due && !flush && state.phase === 'loading') {
      state.haveDueMs = due
      return
    }
    state.haveToldMs = now
    effects.push({ type: 'tell-have', link: link.id, pieces })
  }
  state.untold.clear()
}
