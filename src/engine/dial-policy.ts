import type { DialCandidates } from './dial-candidates.ts'
import type { KnownPeerRecord } from './known-peers.ts'
import type { LinkCounts } from './link-counts.ts'

/**
 * Links that a node wants while it loads. With 4, 8, 10, 16 and 30 of them the slowest of 1,000 nodes of a model took
 * 1.73, 1.28, 1.15, 1.19 and 1.30 times the bound: more links cost more haves than they bring.
 */
export const wantedLinks = 10
/** Links with nodes that load, those that others dialled included. With ten as the limit the first ones close a club (1.28). */
export const acceptedLinks = 15
/** Half of the wanted links are dialled; others dial the other half. */
const dialledPerRound = 5
/** Below this many a node dials again, this long after it dialled last: others have had time to dial it. */
const fewLinks = 8
const roundMs = 500
/** Every third dial goes to any known peer: racks whose nodes dial only each other become islands. */
const nearDialsInARow = 2
/** Links to other regions carry introductions and haves, no pieces; of two, one is left when the other's peer is gone. */
const maxFarDialled = 2
/** Each node wants one or two links to other regions, and who brings pieces in from here needs one to whoever has them; they do not count among the others. */
export const maxFarAccepted: number = 24

/** Whom to dial next while something is being loaded. */
export class DialPolicy {
  readonly #counts: LinkCounts
  readonly #candidates: DialCandidates
  /** Dials that are left of this round. */
  #left = dialledPerRound
  #lastDialMs = -Infinity
  #lastFirstFarMs = -Infinity
  #nearInARow = 0

  constructor(counts: LinkCounts, candidates: DialCandidates) {
    this.#counts = counts
    this.#candidates = candidates
  }

  next(now: number): KnownPeerRecord | undefined {
    if (this.#counts.ordinary < fewLinks && now - this.#lastDialMs >= roundMs) this.#left = dialledPerRound
    const supernode = this.#candidates.supernode()
    if (supernode) return supernode
    const near = this.#nearInARow < nearDialsInARow
    const far = this.#firstFar(now)
    const peer = far ?? this.#nextOfRound(near)
    if (!peer) return undefined
    this.#nearInARow = near && !far ? this.#nearInARow + 1 : 0
    this.#lastDialMs = now
    this.#left--
    return peer
  }

  /** A peer in another region, when there is no link to any: it is dialled even beyond the wanted links. */
  #firstFar(now: number): KnownPeerRecord | undefined {
    if (this.#counts.farDialled + this.#counts.farAccepted > 0 || now - this.#lastFirstFarMs < roundMs) return undefined
    const peer = this.#candidates.far()
    if (peer) this.#lastFirstFarMs = now
    return peer
  }

  #nextOfRound(near: boolean): KnownPeerRecord | undefined {
    if (this.#counts.ordinary >= wantedLinks || this.#left <= 0) return undefined
    const withFar = this.#counts.farDialled < maxFarDialled
    return near ? this.#candidates.nearest(withFar) : this.#candidates.any(withFar)
  }
}
