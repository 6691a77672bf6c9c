import type { PieceRun } from '../wire/messages.ts'
import type { Effect } from './effect.ts'
import { tellCopy } from './link-facts.ts'
import { endOvertakenRuns, fetchFromOrigin, hasSettled, losePatience, runsOf } from './origin-policy.ts'
import { expireRequests, measureRate, requestPieces } from './request-policy.ts'
import { endDemand, fail } from './session-change.ts'
import type { LinkState, SessionState } from './session-state.ts'

/** The one place from facts to effects. */
export function decide(state: SessionState, now: number, effects: Effect[]): void {
  if (state.phase === 'complete') finish(state, effects)
  if (state.wanted) askLinks(state, effects)
  if (state.phase === 'loading') load(state, now, effects)
  tellPeers(state, now, effects)
}

/** When `step` must be called with a tick at the latest, in milliseconds; `undefined` while nothing depends on time. */
export function wakeAtMs(state: SessionState, now: number): number | undefined {
  const dueMs = state.haveDueMs ?? Infinity
  if (state.phase !== 'loading') return dueMs === Infinity ? undefined : dueMs
  const settleMs = hasSettled(state, now) ? Infinity : state.startedMs + state.tuning.settleMs
  // Deadlines of requests and back-offs are looked at together, ten times a second.
  return Math.max(now + 1, Math.min(dueMs, settleMs, now + 100))
}

function finish(state: SessionState, effects: Effect[]): void {
  if (!state.wanted) return
  endDemand(state, effects)
  effects.push({ type: 'done' })
}

function askLinks(state: SessionState, effects: Effect[]): void {
  for (const link of state.links.values()) {
    if (link.asked) continue
    link.asked = true
    // What it may have said while we did not listen is old.
    link.answered = false
    tellCopy(state, link, effects)
  }
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
  endOvertakenRuns(state, now, effects)
  requestPieces(state, now, effects)
  fetchFromOrigin(state, now, effects)
  giveUp(state, now, effects)
}

/** Sources are gone, or have been silent for longer than anybody should wait. */
function giveUp(state: SessionState, now: number, effects: Effect[]): void {
  const { origin, tuning } = state
  if (origin.usable || state.requests.count > 0 || origin.runs.size > 0) return
  const hopeless = origin.only || (state.settled && ![...state.links.values()].some((link) => isHopeful(state, link)))
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
  const runs = runsOf(state)
  const fetchingDue = isFetchingDue(state, runs, now)
  // Haves go first: between the end of a run and its haves, others would think that nobody has or reads its pieces.
  tellHaves(state, now, fetchingDue, effects)
  if (!fetchingDue) return
  state.origin.told = runs
  state.origin.toldMs = now
  for (const link of state.links.values()) {
    if (link.wants) effects.push({ type: 'tell-fetching', link: link.id, runs })
  }
}

function isFetchingDue({ origin, tuning }: SessionState, runs: readonly PieceRun[], now: number): boolean {
  if (runs.length !== origin.told.length) return true
  for (const [index, { first, count }] of runs.entries()) {
    const told = origin.told[index]
    if (first !== told?.first || count !== told.count) return true
  }
  if (now - origin.toldMs < tuning.fetchRenewMs) return false
  return [...origin.runs.values()].some((run) => run.movedMs > origin.toldMs)
}

function tellHaves(state: SessionState, now: number, flush: boolean, effects: Effect[]): void {
  const pending = [...state.links.values()].filter((link) => link.untold.length > 0)
  if (pending.length === 0) {
    state.haveDueMs = undefined
    return
  }
  state.haveDueMs ??= now + state.tuning.haveDelayMs
  if (now < state.haveDueMs && state.phase === 'loading' && !flush) return
  state.haveDueMs = undefined
  for (const link of pending) {
    effects.push({ type: 'tell-have', link: link.id, pieces: link.untold.splice(0) })
  }
}
