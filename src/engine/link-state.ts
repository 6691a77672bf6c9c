import { Bitfield } from '../core/bitfield.ts'
import type { PieceRun } from '../wire/messages.ts'
import { farDistance } from './location.ts'
import { PeerScore } from './peer-score.ts'
import type { LinkId } from './session-event.ts'

/** One peer, as far as one blob is concerned. */
export interface LinkState {
  readonly id: LinkId
  readonly distance: number
  /** In another region. What it has does not count as near. */
  readonly far: boolean
  readonly weYield: boolean
  readonly score: PeerScore
  /** Pieces that it can give. */
  readonly holds: Bitfield
  /** How many of those are to be asked for. */
  openCount: number
  /** We told it our copy and that we want to hear of its own. */
  asked: boolean
  /** It told us its copy since then. */
  answered: boolean
  /** It wants to hear of ours. */
  wants: boolean
  /** It sent bytes that were not what it had said. */
  distrusted: boolean
  fetching: readonly PieceRun[]
  /** When it last gave a sign that it goes on fetching. */
  fetchingMs: number
  /** When it last began to have or fetch something for us. */
  offersMs: number
  /** Up to where in the session's list of untold pieces it knows all. */
  toldUpTo: number
  /** Pieces that it is to be told of before all others. */
  untoldFresh: number[]
  /** Pieces of which it told us alone, to be asked for on top of everything else. */
  offered: number[]
  /** How many pieces it alone has been told of. */
  freshCount: number
}

export function createLink(id: LinkId, distance: number, weYield: boolean, pieceCount: number): LinkState {
  return {
    id,
    distance,
    far: distance >= farDistance,
    weYield,
    score: new PeerScore(),
    holds: new Bitfield(pieceCount),
    openCount: 0,
    asked: false,
    answered: false,
    wants: false,
    distrusted: false,
    fetching: [],
    fetchingMs: 0,
    offersMs: 0,
    toldUpTo: 0,
    untoldFresh: [],
    offered: [],
    freshCount: 0,
  }
}

/** Whether it wants the blob and has not all of it. */
export function isUnfinished(link: LinkState): boolean {
  return link.wants && !link.holds.complete
}

/** Whether what a peer says it has, or fetches, keeps us from the origin. */
export function isCountedOn(link: LinkState): boolean {
  return !link.distrusted && !link.score.snubbed && !link.score.putsOff
}
