import type { BanReason } from '../trust/ban-list.ts'

export type { BanReason } from '../trust/ban-list.ts'

/** Whom this node has nothing to do with, for a while. For certain misdeeds only: who is slow, refuses or has less than it said is never banned. */
export interface Bans {
  /** A certain misdeed: the peer's link and connection close, and it is refused from now on. Returns what takes the verdict back. */
  convict(peerId: string, reason: BanReason): { reverse(): void }
  /** A misdeed that happens to honest peers too, now and then: a few of them in ten minutes ban. */
  suspect(peerId: string, reason: BanReason): void
  /** The peer gave a piece that is what it was said to be: that weighs against suspicions. */
  vouch(peerId: string): void
  isBanned(peerId: string): boolean
}
