import type { LeaseAnswer } from '../../src/engine/lease.ts'
import type { RankedPeer } from '../../src/engine/ranks.ts'
import type { TravellingAsk } from '../../src/engine/tracker-event.ts'

/**
 * - `never-grants`, `grants-all`: answers every ask so, whatever its book says.
 * - `introduces-liars`: names to those who join only nodes that lie; grants as it should.
 */
export type TrackerFault = 'never-grants' | 'grants-all' | 'introduces-liars'

/** Who a node is for others, and how it behaves as a tracker. */
export interface TrackerSeat {
  readonly ranked: RankedPeer
  readonly region: string
  readonly fault: TrackerFault | undefined
  /** Nodes that it knows from the start. */
  readonly knows: readonly number[]
}

/** What such a tracker answers in place of its book; `undefined` where it tells the truth. */
export function misleadingAnswer(fault: TrackerFault | undefined, { count, held, wanted }: TravellingAsk): LeaseAnswer | undefined {
  if (fault === 'never-grants') return { number: 0, validMs: 0, retryAfterMs: 1000, grants: [] }
  if (fault !== 'grants-all' || (count === 0 && held.length === 0)) return undefined
  return { number: 1, validMs: 3000, retryAfterMs: 250, grants: [{ source: undefined, runs: [...held, ...wanted] }] }
}
