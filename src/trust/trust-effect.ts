import type { WasteReason } from './waste-budget.ts'

/** Certain misdeeds in connection with pieces: other bytes than claimed, and a false claim. */
export type Misdeed = 'piece-hash' | 'claim'

/** What a {@link BlobTrust} asks of the session. */
export type TrustEffect =
  /** Read the piece from the origin, whether it is here or not. */
  | { readonly type: 'settle'; readonly piece: number }
  /** Take the rest of the blob from the origin. */
  | { readonly type: 'origin-only' }
  /** Links may now be asked for these pieces that could not before, or the other way round. */
  | { readonly type: 'refresh'; readonly pieces: readonly number[] }
  /** Pieces that are here and could not be offered, for lack of a claim: now they can. */
  | { readonly type: 'claimed'; readonly pieces: readonly number[] }
  /** These pieces rest on nothing any more. */
  | { readonly type: 'drop'; readonly pieces: readonly number[] }
  | { readonly type: 'wasted'; readonly reason: WasteReason; readonly bytes: number }
  /** Who it is for certain; `by` says what showed it. */
  | { readonly type: 'convict'; readonly peerId: string; readonly misdeed: Misdeed; readonly by: 'hash' | 'origin' | 'digest' }
  /** What the conviction rested on turned out wrong. */
  | { readonly type: 'acquit'; readonly peerId: string }
