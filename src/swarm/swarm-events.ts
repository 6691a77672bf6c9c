import type { Digest } from '../core/digest.ts'
import type { BanReason } from '../trust/ban-list.ts'
import type { TransferStats } from './transfer.ts'

/**
 * A blob, in an event.
 * @public
 */
export interface BlobEvent {
  readonly digest: Digest
}

/**
 * A blob that became whole and verified.
 * @public
 */
export interface BlobStoredEvent extends BlobEvent {
  readonly stats: TransferStats
}

/**
 * A piece that is verified and may be given to others.
 * @public
 */
export interface PieceStoredEvent extends BlobEvent {
  /** 0-based. */
  readonly piece: number
  /** Peer id, or `origin`. */
  readonly from: string
}

/**
 * A peer, in an event.
 * @public
 */
export interface PeerEvent {
  readonly peerId: string
  /** All the ways in which it was found so far, the first one first. */
  readonly foundBy: readonly string[]
}

/**
 * A peer that this node has nothing to do with for a while.
 * @public
 */
export interface PeerBannedEvent {
  readonly peerId: string
  readonly reason: BanReason
  /** When it may come back, in milliseconds since 1970. */
  readonly untilMs: number
}

/**
 * A blob that nobody may read from this node.
 * @public
 */
export interface WithheldEvent extends BlobEvent {
  /** `registry/repository`; absent where nobody knows. */
  readonly repository?: string | undefined
  /** The one line of configuration that would change it. */
  readonly advice: string
}

/**
 * Events of {@link Swarm}: the noun, then what happened to it. The facts are in `event.detail`.
 * @public
 */
export interface SwarmEvents {
  /** A link to a peer is open. */
  'peer:linked': CustomEvent<PeerEvent>
  /** A link to a peer has ended. */
  'peer:unlinked': CustomEvent<PeerEvent>
  /** A peer was found out: its link closed, and it is refused for an hour, for longer each time. */
  'peer:banned': CustomEvent<PeerBannedEvent>
  /** A piece came, from a peer or the origin. */
  'piece:stored': CustomEvent<PieceStoredEvent>
  /** A blob is whole, and its digest matches. */
  'blob:stored': CustomEvent<BlobStoredEvent>
  /** Blobs of a repository are not offered to anybody. Said once for each repository. */
  'sharing:withheld': CustomEvent<WithheldEvent>
}
