import type { Digest } from '../core/digest.ts'
import type { PieceLayout } from '../core/piece-layout.ts'
import type { SessionEvent } from '../engine/session-event.ts'
import type { OwnAsk } from '../engine/tracker-event.ts'

/** Hears the tracker's answers for one blob. */
export type LeaseListener = (event: SessionEvent) => void

/** The way to trackers, for those who want to read from an origin. */
export interface Leases {
  /**
   * Asks for leave to read, renews it, or gives it back.
   * @param layout - absent while the blob's size is not known: leave is then asked for the whole of it as one piece
   */
  ask(digest: Digest, layout: PieceLayout | undefined, ask: OwnAsk, listener: LeaseListener): void
  /** Who listened is not to hear more; another who asked since then still is. */
  forget(digest: Digest, listener: LeaseListener): void
  /** A small public blob was read from the origin: who let us hands it to those who ask later. */
  handIn(digest: Digest): void
}
