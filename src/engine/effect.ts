import type { PieceRun } from '../wire/messages.ts'
import type { LinkId } from './session-event.ts'

/** Why a session gives up. */
export type FailReason =
  /** Nobody has the missing pieces, and the origin will not give them. */
  | 'no-source'
  /** All bytes came from the origin, and still do not match the digest. */
  | 'origin-mismatch'
  /** Peers' bytes do not match the digest, and there is no origin to ask. */
  | 'peer-mismatch'

/** Everything a session can ask of the world. */
export type Effect =
  /** Tell a peer what our copy is, and whether we want to hear of its own. */
  | { readonly type: 'tell-copy'; readonly link: LinkId; readonly wants: boolean }
  | { readonly type: 'tell-have'; readonly link: LinkId; readonly pieces: readonly number[] }
  /** Pieces that nobody else was told of: the peer is to take them soon, so that others can have them from it. */
  | { readonly type: 'tell-fresh'; readonly link: LinkId; readonly pieces: readonly number[] }
  /** All that we read from the origin now; with no runs, we stopped. */
  | { readonly type: 'tell-fetching'; readonly link: LinkId; readonly runs: readonly PieceRun[] }
  | { readonly type: 'tell-forget'; readonly link: LinkId }
  | { readonly type: 'request'; readonly link: LinkId; readonly piece: number }
  /** Nothing more is to be heard of the request. */
  | { readonly type: 'cancel'; readonly link: LinkId; readonly piece: number }
  /** Read `count` pieces from `first` on from the origin, in order; `origin:ended` only after the last `piece:stored`. */
  | { readonly type: 'fetch'; readonly run: number; readonly first: number; readonly count: number }
  /** Read only the first `count` pieces of a run; 0 ends it now. */
  | { readonly type: 'trim'; readonly run: number; readonly count: number }
  /** Ask the blob's tracker for a lease, renew it, or give it back (`count` 0 and nothing held). Answered by `lease:answered` or `lease:silent`. */
  | {
      readonly type: 'ask-lease'
      readonly number: number
      /** Pieces wanted beyond those held. */
      readonly count: number
      readonly held: readonly PieceRun[]
      readonly wanted: readonly PieceRun[]
      readonly rateBytesPerSecond: number
    }
  /** Hash the whole blob. */
  | { readonly type: 'check' }
  /** Forget pieces that cannot be trusted any more. */
  | { readonly type: 'drop'; readonly pieces: readonly number[] }
  /** A peer sent bytes that do not match what it said they are. */
  | { readonly type: 'distrust'; readonly link: LinkId }
  | { readonly type: 'done' }
  | { readonly type: 'fail'; readonly reason: FailReason }
