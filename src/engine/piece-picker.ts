import type { LinkState } from './link-state.ts'
import { inRuns, type SessionState } from './session-state.ts'

/** One request in this many goes to the piece that a reader waits for: enough for the first bytes, too few to hurt rarity. */
const inOrderEvery = 4
/** How far ahead of a reader in-order requests look, in pieces. */
const inOrderWindow = 8
/** The endgame begins when this many pieces are missing: each may then be asked for twice. */
const endgamePieces = 8

/**
 * The piece to ask a peer for next: in order for a reader once in four times, the rarest otherwise, a duplicate in the endgame.
 * A peer in another region is asked for what is to be brought in from there, and by a node that starves for anything.
 */
export function pickPiece(state: SessionState, link: LinkState, starved = false): number | undefined {
  if (link.far) return starved ? pickAny(state, link) : undefined
  const inOrder = state.readers.length > 0 && state.picks % inOrderEvery === 0
  const piece = (inOrder ? pickInOrder(state, link) : undefined) ?? pickRarest(state, link)
  if (piece !== undefined) state.picks++
  return piece ?? pickDuplicate(state, link)
}

/** Whether the last pieces are on their way. */
export function isEndgame(state: SessionState): boolean {
  return state.layout.pieceCount - state.stored.count <= endgamePieces
}

export function mayAskFor(state: SessionState, link: LinkState, piece: number): boolean {
  return link.holds.has(piece) && (state.origin.runs.size === 0 || !inRuns(state.origin.runs.values(), piece))
}

/** What is to be brought in from another region, and is there. */
export function pickImport(state: SessionState, link: LinkState): number | undefined {
  for (const piece of state.lease.imports) {
    if (state.availability.isOpen(piece) && mayAskFor(state, link, piece)) return piece
  }
  return undefined
}

/** From where we begin, so that neighbours in the same position do not all bring in the same. */
function pickAny(state: SessionState, link: LinkState): number | undefined {
  const { pieceCount } = state.layout
  for (let step = 0; step < pieceCount; step++) {
    const piece = (state.startPiece + step) % pieceCount
    if (state.availability.isOpen(piece) && mayAskFor(state, link, piece)) return piece
  }
  return undefined
}

function pickInOrder(state: SessionState, link: LinkState): number | undefined {
  for (const reader of state.readers) {
    const first = state.stored.firstMissing(reader)
    const end = Math.min(first + inOrderWindow, state.layout.pieceCount)
    for (let piece = first; piece < end; piece++) {
      if (state.availability.isOpen(piece) && mayAskFor(state, link, piece)) return piece
    }
  }
  return undefined
}

function pickRarest(state: SessionState, link: LinkState): number | undefined {
  if (link.openCount === 0) return undefined
  return state.availability.rarest(state.random, (piece) => mayAskFor(state, link, piece))
}

/** In the endgame, a piece that one other, slower peer was asked for: the last pieces must not wait for the slowest. */
function pickDuplicate(state: SessionState, link: LinkState): number | undefined {
  if (!isEndgame(state)) return undefined
  let choice: { piece: number; sentMs: number } | undefined
  for (const request of state.requests.all()) {
    if (!request.sent || request.arrived || request.link === link.id) continue
    if (!link.holds.has(request.piece) || state.requests.of(request.piece).length > 1) continue
    const otherMs = state.links.get(request.link)?.score.meanMs ?? Infinity
    if ((link.score.meanMs ?? 0) > otherMs) continue
    if (!choice || request.sentMs < choice.sentMs) choice = request
  }
  return choice?.piece
}
