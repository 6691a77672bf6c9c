import type { LeaseAnswer } from '../../src/engine/lease.ts'
import type { TravellingAsk } from '../../src/engine/tracker-event.ts'
import type { SimOptions } from './sim-options.ts'

/** What a tracker that means harm answers in place of its book; `undefined` where it tells the truth. */
export function misleading(behaviour: SimOptions['tracker'], ask: TravellingAsk): LeaseAnswer | undefined {
  switch (behaviour) {
    case 'honest':
      return undefined
    case 'never-grants':
      return { number: 0, validMs: 0, retryAfterMs: 1000, grants: [] }
    case 'grants-all':
      return { number: 1, validMs: 3000, retryAfterMs: 250, grants: [{ source: undefined, runs: [...ask.held, ...ask.wanted] }] }
    case 'liars':
      // It says that the asker is to bring the pieces in, from itself.
      return { number: 1, validMs: 60_000, retryAfterMs: 60_000, grants: [{ source: ask.holder, runs: ask.wanted }] }
  }
}
