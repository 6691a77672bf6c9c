import type { Effect } from './effect.ts'
import { releaseFresh } from './fresh-pieces.ts'
import { loseImports } from './lease-grant.ts'
import { createLink, isCountedOn, type LinkState } from './link-state.ts'
import { isWaitedFor, keptCount, runsOf } from './origin-policy.ts'
import { addHold, clearHolds, release, removeHold } from './session-change.ts'
import type { LinkId, SessionEvent } from './session-event.ts'
import type { SessionState } from './session-state.ts'

/** Pieces that one peer offers and that are not asked for yet; as many as one message has. */
const maxOffered = 64

export function openLink(state: SessionState, event: SessionEvent & { type: 'link:opened' }): void {
  const link = createLink(event.link, event.distance, event.weYield, state.layout.pieceCount)
  state.links.set(link.id, link)
  const index = state.nearestFirst.findIndex((other) => other.distance > link.distance)
  state.nearestFirst.splice(index < 0 ? state.nearestFirst.length : index, 0, link)
  state.unaskedCount++
}

export function closeLink(state: SessionState, id: LinkId): void {
  const link = state.links.get(id)
  if (!link) return
  for (const request of state.requests.all()) if (request.link === id) release(state, request)
  clearHolds(state, link)
  state.links.delete(id)
  state.nearestFirst.splice(state.nearestFirst.indexOf(link), 1)
  if (!link.asked) state.unaskedCount--
  if (link.fetching.length > 0) state.fetchingCount--
  if (link.far) loseImports(state)
  for (const [piece, { link: told }] of state.fresh) if (told === id) releaseFresh(state, piece)
}

/** A peer said what its copy is, and whether it wants to hear of ours. */
export function learnCopy(
  state: SessionState,
  link: LinkState,
  event: SessionEvent & { type: 'link:copy' },
  now: number,
  effects: Effect[],
): void {
  // A source that shows up is a sign of life; one that repeats itself is not.
  if (!link.answered) {
    state.movedMs = now
    if (!link.far) state.fedMs = now
  }
  link.answered = true
  const offered = isWaitedFor(state, link)
  clearHolds(state, link)
  if (event.holds === 'all') {
    for (let piece = 0; piece < state.layout.pieceCount; piece++) learnHave(state, link, piece)
  } else {
    for (const piece of event.holds) learnHave(state, link, piece)
  }
  noteOffer(state, link, offered, now)
  const asks = event.wants && !link.wants
  link.wants = event.wants
  // Who begins to ask is answered, even with nothing: silence would be taken for slowness. It is told anew if it
  // was told before: what came since then was not kept for it.
  if (asks) tellCopy(state, link, effects)
}

function learnHave(state: SessionState, link: LinkState, piece: number): void {
  addHold(state, link, piece)
  if (state.fresh.size > 0 && state.fresh.has(piece)) releaseFresh(state, piece)
}

/** A peer has more pieces than before. */
export function learnHaves(state: SessionState, link: LinkState, pieces: readonly number[], now: number): void {
  const offered = isWaitedFor(state, link)
  for (const piece of pieces) learnHave(state, link, piece)
  link.fetchingMs = now
  noteOffer(state, link, offered, now)
}

function noteOffer(state: SessionState, link: LinkState, offered: boolean, now: number): void {
  if (!offered && isWaitedFor(state, link)) link.offersMs = now
}

/** A peer offers pieces to us alone. */
export function learnFresh(state: SessionState, link: LinkState, pieces: readonly number[], now: number): void {
  const offered = isWaitedFor(state, link)
  for (const piece of pieces) {
    learnHave(state, link, piece)
    if (link.offered.length >= maxOffered) continue
    link.offered.push(piece)
    state.offeredCount++
  }
  link.fetchingMs = now
  noteOffer(state, link, offered, now)
}

/** A peer said which pieces it reads from the origin; where we read the same, one of us has to let go. */
export function learnFetching(
  state: SessionState,
  link: LinkState,
  event: SessionEvent & { type: 'link:fetching' },
  now: number,
  effects: Effect[],
): void {
  state.fetchingCount += Number(event.runs.length > 0) - Number(link.fetching.length > 0)
  const offered = isWaitedFor(state, link)
  link.fetching = event.runs
  link.fetchingMs = now
  noteOffer(state, link, offered, now)
  // A peer that is far or not counted on is not yielded to either: we would begin again at once.
  if (!link.weYield || link.far || state.origin.only || !isCountedOn(link)) return
  for (const run of state.origin.runs.values()) {
    if (run.settles) continue
    const kept = keptCount(run, link.fetching, state)
    if (kept === run.count) continue
    run.count = kept
    if (kept === 0) state.origin.runs.delete(run.id)
    effects.push({ type: 'trim', run: run.id, count: kept })
  }
}

/** Of these pieces nobody can say any more what the peer's are to hash to. */
export function loseHolds(state: SessionState, link: LinkState, pieces: readonly number[], effects: Effect[]): void {
  for (const piece of pieces) {
    removeHold(state, link, piece)
    const request = state.requests.find(link.id, piece)
    if (!request || request.arrived) continue
    effects.push({ type: 'cancel', link: link.id, piece })
    release(state, request)
  }
}

export function forgetLink(link: LinkState): void {
  link.wants = false
}

/** A peer that had nothing is asked for its copy once more. */
export function askAgain(state: SessionState, link: LinkState, effects: Effect[]): void {
  if (state.wanted && state.phase === 'loading' && link.holds.count === 0) tellCopy(state, link, effects)
}

/** All that a peer needs to know of us at once; from then on it is told what changes. */
export function tellCopy(state: SessionState, link: LinkState, effects: Effect[]): void {
  link.toldUpTo = state.untold.end
  effects.push({ type: 'tell-copy', link: link.id, wants: state.wanted })
  const runs = runsOf(state)
  if (runs.length > 0) effects.push({ type: 'tell-fetching', link: link.id, runs })
}
