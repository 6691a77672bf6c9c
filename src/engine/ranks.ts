import { compareDistance } from './place.ts'

/** A node that may be asked, by its place among all. */
export interface RankedPeer {
  /** Its peer id, as text. */
  readonly key: string
  readonly place: Uint8Array
  readonly supernode: boolean
}

/** Negative when `a` comes before `b`: supernodes first, then the nearer one. */
export function compareRank(a: Omit<RankedPeer, 'key'>, b: Omit<RankedPeer, 'key'>, target: Uint8Array): number {
  if (a.supernode !== b.supernode) return a.supernode ? -1 : 1
  return compareDistance(a.place, b.place, target)
}
