import { isUnfinished, type LinkState } from './link-state.ts'
import type { FreshPiece, SessionState } from './session-state.ts'

/**
 * A piece that we brought in is told to one neighbour first, and to all when that has it: so each of the next pieces leaves
 * by another way, and none leaves twice before all have left once.
 */
export function announceFresh(state: SessionState, piece: number, now: number): void {
  const first = firstToKnow(state, piece)
  if (!first) return announce(state, piece)
  first.freshCount++
  first.untoldFresh.push(piece)
  state.fresh.set(piece, { link: first.id, toldMs: now })
}

/** A piece that is ours from now on, to be told to all who want to know. */
export function announce(state: SessionState, piece: number): void {
  state.untold.add(piece)
}

/** The first to know has it, or does not take it: the others are told. */
export function releaseFresh(state: SessionState, piece: number): void {
  const told = forgetFresh(state, piece)
  if (told) state.untold.add(piece, told.link)
}

/** The piece is for nobody in particular any more. */
export function forgetFresh(state: SessionState, piece: number): FreshPiece | undefined {
  const told = state.fresh.get(piece)
  if (!told) return undefined
  state.fresh.delete(piece)
  const first = state.links.get(told.link)
  if (first) first.freshCount--
  return told
}

/** Who does not take what it was told of must not keep it from the others. */
export function releaseStale(state: SessionState, now: number): void {
  for (const [piece, { toldMs }] of state.fresh) {
    if (now - toldMs < state.tuning.freshMs) return
    releaseFresh(state, piece)
  }
}

/** Of the near neighbours that lack pieces, the one that has fewest to take already; one has nobody to choose from. */
function firstToKnow(state: SessionState, piece: number): LinkState | undefined {
  let best: LinkState | undefined
  let count = 0
  for (const link of state.nearestFirst) {
    if (link.far || !isUnfinished(link)) continue
    if (link.holds.has(piece)) return undefined
    count++
    if (!best || link.freshCount < best.freshCount) best = link
  }
  return count > 1 ? best : undefined
}
