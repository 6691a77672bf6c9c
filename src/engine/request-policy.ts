import { pieceRange } from '../core/piece-layout.ts'
import type { Effect } from './effect.ts'
import { isCountedOn, type LinkState } from './link-state.ts'
import { isEndgame, mayAskFor, pickImport, pickPiece } from './piece-picker.ts'
import type { OutstandingRequest } from './request-book.ts'
import { closePiece, release } from './session-change.ts'
import type { SessionState } from './session-state.ts'

/** From this many useful links on, one request a link keeps the downlink busy; more only queue behind each other. */
const manyLinks = 6
const fewLinks = 3
/** No more than the data streams of a link. */
const maxRequestsPerLink = 4
const rateWindowMs = 1000
/** A pace over a shorter time says little. */
const minSpanMs = 100
/** Deadlines are looked at this often. */
const expireEveryMs = 100
/** A link that is slower than this over ten seconds has stalled, where there is another source: bytes a millisecond. */
const minPace = 65.536
/** One that trickles has stalled whatever else there is: to wait for it would be to wait for ever. */
const minSolePace = 1.024
const paceWindowMs = 10_000
/** Where there is an origin, who has failed and never given anything gets no more time than this, and nobody when peers are not asked any more. */
const spentSilenceMs = 1000
/** A node that got nothing for this long takes from other regions what it can get. */
const farAfterMs = 5000

/** A request past its deadline is asked for elsewhere, if there is an elsewhere; a silent one is ended in any case. */
export function expireRequests(state: SessionState, now: number, effects: Effect[]): void {
  if (now < state.expireAtMs) return
  state.expireAtMs = now + expireEveryMs
  for (const request of state.requests.all()) {
    const link = state.links.get(request.link)
    if (!request.sent || request.arrived || !link) continue
    const late = now - request.sentMs > link.score.deadlineMs(request.sizeBytes)
    const isSpent = state.origin.usable && (state.origin.only || (link.score.snubbed && link.score.meanMs === undefined))
    const silent = now - request.movedMs > (isSpent ? spentSilenceMs : Math.max(state.tuning.idleMs, link.score.silenceMs))
    const pace = paceOf(state, request, now)
    const stalled = silent || pace < minSolePace || ((late || pace < minPace) && isElsewhere(state, link, request.piece))
    if (!stalled) continue
    effects.push({ type: 'cancel', link: request.link, piece: request.piece })
    release(state, request)
    link.score.failed(now)
    if (link.score.meanMs === undefined) state.luckless.links.add(link.id)
  }
}

/** What its link carries, judged by this request, over ten seconds; without end before they are over. */
function paceOf(state: SessionState, request: OutstandingRequest, now: number): number {
  const spanMs = now - request.paceMs
  if (spanMs < paceWindowMs) return Infinity
  const pace = (request.paceBytes / spanMs) * state.requests.countOf(request.link)
  request.paceMs = now
  request.paceBytes = 0
  return pace
}

function isElsewhere(state: SessionState, link: LinkState, piece: number): boolean {
  if (state.origin.usable) return true
  for (const other of state.nearestFirst) {
    if (other !== link && !other.far && other.holds.has(piece) && isCountedOn(other)) return true
  }
  return false
}

/** Takes the download rates, once a second. */
export function measureRate(state: SessionState, now: number): void {
  const spanMs = now - state.rateMs
  if (spanMs < rateWindowMs) return
  state.rate = state.rateBytes / spanMs
  state.originRate = state.originRateBytes / spanMs
  state.rateBytes = 0
  state.originRateBytes = 0
  state.rateMs = now
}

/** The pace of the origin up to now, in bytes a millisecond: in the first second there is no other measure. */
export function originRateAt({ originRate, originRateBytes, rateMs }: SessionState, now: number): number {
  return Math.max(originRate, originRateBytes / Math.max(minSpanMs, now - rateMs))
}

/** Fills the links with requests, the least loaded and nearest first, until enough is outstanding. */
export function requestPieces(state: SessionState, now: number, effects: Effect[]): void {
  if (state.origin.only) return
  requestOffered(state, now, effects)
  requestImports(state, now, effects)
  if (now < state.askDueMs) return
  const most = maxRequests(state)
  if (state.requests.count >= most) return
  const endgame = isEndgame(state)
  let dueMs = endgame ? now : Infinity
  for (let load = 0; load < requestsPerLink(state, load); load++) {
    for (const link of state.nearestFirst) {
      if (state.requests.count >= most) return
      if (link.openCount === 0 && !(endgame && link.holds.count > 0)) continue
      if (state.requests.countOf(link.id) !== load) continue
      const mayMs = mayAskAtMs(state, link, load)
      const piece = now < mayMs ? undefined : pickPiece(state, link, now >= starvedAtMs(state))
      if (piece !== undefined) request(state, link, piece, now, effects)
      else dueMs = Math.min(dueMs, mayMs)
    }
  }
  state.askDueMs = dueMs
}

/**
 * What is to be brought in from other regions, as much at once as the links there carry: the way is long, and others wait for it. The
 * links are filled evenly.
 */
function requestImports(state: SessionState, now: number, effects: Effect[]): void {
  if (state.lease.imports.size === 0) return
  for (let load = 0; load < maxRequestsPerLink; load++) {
    for (const link of state.nearestFirst) {
      if (!link.far || link.openCount === 0 || state.requests.countOf(link.id) !== load) continue
      if (link.distrusted || !link.score.mayAsk(now)) continue
      const piece = pickImport(state, link)
      if (piece !== undefined) request(state, link, piece, now, effects)
    }
  }
}

/** What one peer told us alone of is asked for at once, whatever else is out: until it has left there, it is nowhere else. */
function requestOffered(state: SessionState, now: number, effects: Effect[]): void {
  if (state.offeredCount === 0) return
  state.offeredCount = 0
  for (const link of state.nearestFirst) {
    if (link.offered.length === 0) continue
    const waiting: number[] = []
    for (const piece of link.offered) {
      if (!state.availability.isOpen(piece) || !mayAskFor(state, link, piece)) continue
      if (state.requests.countOf(link.id) < maxRequestsPerLink && !link.distrusted) request(state, link, piece, now, effects)
      else waiting.push(piece)
    }
    link.offered = waiting
    state.offeredCount += waiting.length
  }
}

function request(state: SessionState, link: LinkState, piece: number, now: number, effects: Effect[]): void {
  closePiece(state, piece)
  state.requests.add(link.id, piece, pieceRange(state.layout, piece).length, now)
  effects.push({ type: 'request', link: link.id, piece })
}

/** From when on a link may be asked, unless something happens. */
function mayAskAtMs(state: SessionState, link: LinkState, load: number): number {
  if (link.distrusted || (load > 0 && link.score.snubbed)) return Infinity
  return link.far ? Math.max(link.score.mayAskAtMs, starvedAtMs(state)) : link.score.mayAskAtMs
}

function starvedAtMs(state: SessionState): number {
  return state.fedMs + farAfterMs
}

/** How many requests a link gets, by how many links have something for us: those that were given a first one. */
function requestsPerLink(state: SessionState, load: number): number {
  if (load === 0) return 1
  const { linkCount } = state.requests
  if (linkCount >= fewLinks) return linkCount >= manyLinks ? 1 : 2
  // One is left for what a peer offers us alone; a sole peer offers nothing.
  return state.nearestFirst.length > 1 ? maxRequestsPerLink - 1 : maxRequestsPerLink
}

function maxRequests(state: SessionState): number {
  const { tuning, layout } = state
  const byRate = Math.ceil((state.rate * tuning.aheadMs) / layout.pieceLength)
  const byMemory = Math.max(2, Math.floor(tuning.inFlightBytes / layout.pieceLength))
  return Math.min(Math.max(tuning.minRequests, byRate), byMemory)
}
