import { pieceRange } from '../core/piece-layout.ts'
import type { Effect } from './effect.ts'
import { hasSettled, mayFetch, planRun } from './origin-policy.ts'
import { pickPiece } from './piece-picker.ts'
import { fail, release } from './session-change.ts'
import type { LinkState, SessionState } from './session-state.ts'

/** From this many useful links on, one request a link keeps the downlink busy; more only queue behind each other. */
const manyLinks = 6
const fewLinks = 3
/** No more than the data streams of a link. */
const maxRequestsPerLink = 4
const rateWindowMs = 1000

/** The one place from facts to effects. */
export function decide(state: SessionState, now: number, effects: Effect[]): void {
  if (state.phase === 'loading') {
    askLinks(state, now, effects)
    expireRequests(state, now, effects)
    measureRate(state, now)
    if (state.stored.complete) {
      state.phase = 'checking'
      effects.push({ type: 'check' })
    } else {
      requestPieces(state, now, effects)
      fetchFromOrigin(state, now, effects)
      giveUp(state, now, effects)
    }
  } else if (state.phase === 'complete' && state.wanted) {
    finish(state, effects)
  }
  tellHaves(state, now, effects)
}

/** When `step` must be called with a tick at the latest, in milliseconds; `undefined` while nothing depends on time. */
export function wakeAtMs(state: SessionState, now: number): number | undefined {
  const dueMs = state.haveDueMs ?? Infinity
  if (state.phase !== 'loading') return dueMs === Infinity ? undefined : dueMs
  const settleMs = hasSettled(state, now) ? Infinity : state.startedMs + state.tuning.settleMs
  // Deadlines of requests and back-offs are looked at together, ten times a second.
  return Math.max(now + 1, Math.min(dueMs, settleMs, now + 100))
}

function askLinks(state: SessionState, now: number, effects: Effect[]): void {
  for (const link of state.links.values()) {
    if (link.asked) continue
    link.asked = true
    link.askedMs = now
    link.untold.length = 0
    effects.push({ type: 'tell-copy', link: link.id, wants: true })
    tellFetching(state, link, effects)
  }
}

function finish(state: SessionState, effects: Effect[]): void {
  state.wanted = false
  for (const link of state.links.values()) {
    if (link.asked) effects.push({ type: 'tell-forget', link: link.id })
  }
  effects.push({ type: 'done' })
}

/** A request past its deadline is asked for elsewhere, if there is an elsewhere; a silent one is ended in any case. */
function expireRequests(state: SessionState, now: number, effects: Effect[]): void {
  for (const request of [...state.requests.all()]) {
    const link = state.links.get(request.link)
    if (!request.sent || request.arrived || !link) continue
    const late = now - request.sentMs > link.score.deadlineMs(request.sizeBytes)
    const silent = now - request.movedMs > state.tuning.idleMs
    if (!silent && !(late && isElsewhere(state, link, request.piece))) continue
    effects.push({ type: 'cancel', link: request.link, piece: request.piece })
    release(state, request)
    link.score.failed(now)
  }
}

function isElsewhere(state: SessionState, link: LinkState, piece: number): boolean {
  if (state.origin.usable) return true
  for (const other of state.links.values()) {
    if (other !== link && other.holds.has(piece) && !other.score.snubbed) return true
  }
  return false
}

function measureRate(state: SessionState, now: number): void {
  const spanMs = now - state.rateMs
  if (spanMs < rateWindowMs) return
  state.rate = state.rateBytes / spanMs
  state.rateBytes = 0
  state.rateMs = now
}

/** Fills the links with requests, the least loaded and nearest first, until enough is outstanding. */
function requestPieces(state: SessionState, now: number, effects: Effect[]): void {
  if (state.origin.only) return
  const usable = [...state.links.values()].filter(
    (link) => link.holds.count > 0 && !link.distrusted && link.score.mayAsk(now),
  )
  const perLink = usable.length >= manyLinks ? 1 : usable.length >= fewLinks ? 2 : maxRequestsPerLink
  const most = maxRequests(state)
  for (let load = 0; load < perLink; load++) {
    const idle = usable.filter((link) => state.requests.countOf(link.id) === load)
    for (const link of idle.sort((a, b) => a.distance - b.distance)) {
      if (state.requests.count >= most) return
      if (load > 0 && link.score.snubbed) continue
      const piece = pickPiece(state, link)
      if (piece === undefined) continue
      state.availability.close(piece)
      state.requests.add(link.id, piece, pieceRange(state.layout, piece).length, now)
      effects.push({ type: 'request', link: link.id, piece })
    }
  }
}

function maxRequests(state: SessionState): number {
  const { tuning, layout } = state
  const byRate = Math.ceil((state.rate * tuning.aheadMs) / layout.pieceLength)
  const byMemory = Math.max(2, Math.floor(tuning.inFlightBytes / layout.pieceLength))
  return Math.min(Math.max(tuning.minRequests, byRate), byMemory)
}

function fetchFromOrigin(state: SessionState, now: number, effects: Effect[]): void {
  let changed = false
  while (mayFetch(state, now)) {
    const run = planRun(state, now)
    if (!run) break
    const id = state.nextRun++
    state.origin.runs.set(id, { id, ...run, movedMs: now })
    effects.push({ type: 'fetch', run: id, first: run.first, count: run.count })
    changed = true
  }
  if (!changed) return
  for (const link of state.links.values()) if (link.asked) tellFetching(state, link, effects)
}

function tellFetching(state: SessionState, link: LinkState, effects: Effect[]): void {
  if (state.origin.runs.size === 0) return
  const runs = [...state.origin.runs.values()].map(({ first, count }) => ({ first, count }))
  effects.push({ type: 'tell-fetching', link: link.id, runs })
}

/** Sources are gone, or have been silent for longer than anybody should wait. */
function giveUp(state: SessionState, now: number, effects: Effect[]): void {
  const { origin, tuning } = state
  if (origin.usable || state.requests.count > 0 || origin.runs.size > 0) return
  const impatient = now - state.movedMs >= tuning.patienceMs
  const hopeful = [...state.links.values()].some(
    (link) => !link.distrusted && (link.wants || link.holds.count > 0 || (link.asked && !link.answered)),
  )
  if (!impatient && (hopeful || !state.settled)) return
  fail(state, origin.only ? 'peer-mismatch' : 'no-source', effects)
}

/** Pieces that became ours are told in batches: a message a piece would cost more than it brings. */
function tellHaves(state: SessionState, now: number, effects: Effect[]): void {
  const pending = [...state.links.values()].filter((link) => link.untold.length > 0)
  if (pending.length === 0) {
    state.haveDueMs = undefined
    return
  }
  state.haveDueMs ??= now + state.tuning.haveDelayMs
  if (now < state.haveDueMs && state.phase === 'loading') return
  state.haveDueMs = undefined
  for (const link of pending) {
    effects.push({ type: 'tell-have', link: link.id, pieces: link.untold.splice(0) })
  }
}
