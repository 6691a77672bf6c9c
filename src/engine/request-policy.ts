import { pieceRange } from '../core/piece-layout.ts'
import type { Effect } from './effect.ts'
import { isCountedOn } from './origin-policy.ts'
import { pickPiece } from './piece-picker.ts'
import { release } from './session-change.ts'
import type { LinkState, SessionState } from './session-state.ts'

/** From this many useful links on, one request a link keeps the downlink busy; more only queue behind each other. */
const manyLinks = 6
const fewLinks = 3
/** No more than the data streams of a link. */
const maxRequestsPerLink = 4
const rateWindowMs = 1000

/** A request past its deadline is asked for elsewhere, if there is an elsewhere; a silent one is ended in any case. */
export function expireRequests(state: SessionState, now: number, effects: Effect[]): void {
  for (const request of state.requests.all()) {
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
    if (other !== link && other.holds.has(piece) && isCountedOn(other)) return true
  }
  return false
}

/** Takes the download rate, once a second. */
export function measureRate(state: SessionState, now: number): void {
  const spanMs = now - state.rateMs
  if (spanMs < rateWindowMs) return
  state.rate = state.rateBytes / spanMs
  state.rateBytes = 0
  state.rateMs = now
}

/** Fills the links with requests, the least loaded and nearest first, until enough is outstanding. */
export function requestPieces(state: SessionState, now: number, effects: Effect[]): void {
  if (state.origin.only) return
  const links = [...state.links.values()]
    .filter((link) => link.holds.count > 0 && !link.distrusted && link.score.mayAsk(now))
    .sort((a, b) => a.distance - b.distance)
  const most = maxRequests(state)
  for (let load = 0; load < requestsPerLink(state, load); load++) {
    for (const link of links) {
      if (state.requests.count >= most) return
      if (state.requests.countOf(link.id) !== load || (load > 0 && link.score.snubbed)) continue
      const piece = pickPiece(state, link)
      if (piece === undefined) continue
      state.availability.close(piece)
      state.requests.add(link.id, piece, pieceRange(state.layout, piece).length, now)
      effects.push({ type: 'request', link: link.id, piece })
    }
  }
}

/** How many requests a link gets, by how many links have something for us: those that were given a first one. */
function requestsPerLink(state: SessionState, load: number): number {
  if (load === 0) return 1
  const { linkCount } = state.requests
  return linkCount >= manyLinks ? 1 : linkCount >= fewLinks ? 2 : maxRequestsPerLink
}

function maxRequests(state: SessionState): number {
  const { tuning, layout } = state
  const byRate = Math.ceil((state.rate * tuning.aheadMs) / layout.pieceLength)
  const byMemory = Math.max(2, Math.floor(tuning.inFlightBytes / layout.pieceLength))
  return Math.min(Math.max(tuning.minRequests, byRate), byMemory)
}
