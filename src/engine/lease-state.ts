import { Bitfield } from '../core/bitfield.ts'

/** Which pieces this node may read from the origin or bring in from another region, and how it stands with the tracker. */
export interface LeaseState {
  /** Missing pieces that may be read from the origin. */
  readonly pieces: Bitfield
  /** Missing pieces that may be brought in from another region, from whichever link has them. */
  readonly imports: Set<number>
  /** Of the lease at the tracker; 0 without one, or with one that we gave ourselves. */
  number: number
  expiresMs: number
  asking: boolean
  askedMs: number
  /** It held a lease since it began to want the blob. */
  wasHeld: boolean
  /** When to ask if nobody around has anything by then; drawn once. */
  firstAskMs: number | undefined
  /** There was nothing for us: not asked again before. */
  askAtMs: number
  /** When an answer last granted nothing that can be had, such as pieces from peers without a link: it would be the same again at once. */
  emptyMs: number
  /** Since when no tracker can be reached, or what one says has brought nothing. */
  silentMs: number | undefined
  /** The tracker answers: it is its answers that are not believed. */
  doubting: boolean
  /** Times that it was drawn whether we grant ourselves a lease, and when it is next. */
  draws: number
  drawAtMs: number
  swarmSize: number
}

export function createLease(pieceCount: number): LeaseState {
  return {
    pieces: new Bitfield(pieceCount),
    imports: new Set(),
    number: 0,
    expiresMs: 0,
    asking: false,
    askedMs: 0,
    wasHeld: false,
    firstAskMs: undefined,
    askAtMs: 0,
    emptyMs: -Infinity,
    silentMs: undefined,
    doubting: false,
    draws: 0,
    drawAtMs: 0,
    swarmSize: 1,
  }
}
