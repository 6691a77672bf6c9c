import type { Effect } from './effect.ts'
import { askForLease, windowPieces } from './lease-ask.ts'
import { endRunsWithoutLease, isHolding } from './lease-grant.ts'
import { clearLease } from './lease-return.ts'
import { atLeastInSwarm, goWithout, onSilence } from './lease-silence.ts'
import { isCountedOn, isUnfinished } from './link-state.ts'
import { hasSettled } from './origin-policy.ts'
import type { SessionState } from './session-state.ts'

/** A node that still loads this many pieces from peers does not starve. */
const starvingBelow = 2
/** So long after the last news from anybody a node that loads nothing asks. */
const starvedMs = 500
/** At the beginning, for each peer that wants the blob too. */
const waitMsPerSharer = 40
/** Between two asks of a holder that wants more, so that a tracker with nothing left is not asked in a tight loop. */
const askMoreMs = 25
/** A tracker whose answer was lost is taken for silent. */
const answerMs = 4000

/** Asks for leases, renews them, and goes without where no tracker helps. */
export function seekLease(state: SessionState, now: number, effects: Effect[]): void {
  const { origin, lease } = state
  if (!origin.usable || origin.only) return
  if (lease.asking && now - lease.askedMs > answerMs) onSilence(state, atLeastInSwarm(state), now)
  expireLease(state, now, effects)
  if (isHolding(state)) {
    if (!lease.asking) renew(state, now, effects)
    return
  }
  if (!hasSettled(state, now)) return
  const mayAsk = lease.number === 0 ? now >= lease.askAtMs && isOurTurn(state, now) : now >= Math.max(lease.askAtMs, lease.emptyMs + askMoreMs)
  if (!lease.asking && mayAsk) askForLease(state, now, effects)
  if (!isHolding(state) && lacksSource(state, now)) goWithout(state, now)
}

/** Whether what is missing does not come by itself: who loads enough from peers has no need to draw, and begins anew when it has. */
function lacksSource({ requests, availability, lease }: SessionState, now: number): boolean {
  return requests.count < starvingBelow || (availability.unheldCount > 0 && now >= lease.askAtMs)
}

/**
 * Whether it is this node that asks: somebody has to, and in a crowd not everybody. Next to a fetcher it is easy to see whether one more
 * would help; elsewhere a node asks when nothing comes, and at the very beginning after a wait that is the longer the more others there are.
 */
function isOurTurn(state: SessionState, now: number): boolean {
  const { lease, availability, requests, stored, tuning } = state
  // So it is for most nodes most of the time: looking at every link after every event took 8 % of all time.
  const mayHelp = availability.unheldCount > 0 && (state.fetchingCount > 0 || lease.wasHeld)
  if (stored.count > 0 && requests.count >= starvingBelow && !mayHelp) return false
  let sharers = 0
  let newsMs = state.movedMs
  let begun = stored.count > 0
  for (const link of state.nearestFirst) {
    if (link.far) continue
    if (isUnfinished(link)) sharers++
    if (link.holds.count > 0) begun = true
    if (link.fetching.length > 0 && isCountedOn(link) && now - link.fetchingMs < tuning.fetchStaleMs) {
      return availability.unheldCount > 0 || requests.count < starvingBelow
    }
    newsMs = Math.max(newsMs, link.fetchingMs)
  }
  // Who was told to come back does; a former fetcher is missed by those who wait for its pieces.
  if (lease.wasHeld) return availability.unheldCount > 0
  if (sharers === 0 || lease.askedMs > 0) return requests.count < starvingBelow
  if (begun) return requests.count < starvingBelow && now - newsMs >= starvedMs
  lease.firstAskMs ??= now + state.random.next() * sharers * waitMsPerSharer
  return now >= lease.firstAskMs
}

/** The tracker is gone: its successor must hear at once what we hold. What was asked of it already goes there anyway. */
export function onTrackerLost(state: SessionState): void {
  const { lease } = state
  if (lease.number !== 0 && !lease.asking) lease.askedMs = -Infinity
  lease.askAtMs = 0
}

function expireLease(state: SessionState, now: number, effects: Effect[]): void {
  const { lease } = state
  if (!isHolding(state) || lease.asking || now < lease.expiresMs) return
  clearLease(state)
  lease.askAtMs = 0
  endRunsWithoutLease(state, effects)
}

/** A holder is heard of while bytes come or the origin has it wait, and when it will soon have nothing left to read. */
function renew(state: SessionState, now: number, effects: Effect[]): void {
  const { lease, origin, tuning } = state
  const sinceMs = now - lease.askedMs
  const isAlive = origin.movedMs > lease.askedMs || state.movedMs > lease.askedMs || now < origin.retryAtMs
  if (sinceMs >= tuning.leaseRenewMs && isAlive) return askForLease(state, now, effects)
  if (lease.number === 0 || sinceMs < askMoreMs || now < lease.askAtMs) return
  if (lease.pieces.count + lease.imports.size >= windowPieces(state, now) / 2) return
  if (state.availability.unheldCount > 0) askForLease(state, now, effects, true)
}
