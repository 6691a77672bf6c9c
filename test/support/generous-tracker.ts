import type { Effect } from '../../src/engine/effect.ts'
import type { SessionEvent } from '../../src/engine/session-event.ts'

type Ask = Pick<Extract<Effect, { type: 'ask-lease' }>, 'count' | 'held' | 'wanted'>

/** What a tracker answers that gives everybody all that they ask for: for tests of sessions alone. */
export function grantAll(ask: Ask): SessionEvent & { type: 'lease:answered' } {
  const runs = [...ask.held]
  let left = ask.count
  for (const { first, count } of ask.wanted) {
    if (left > 0) runs.push({ first, count: Math.min(count, left) })
    left -= count
  }
  return { type: 'lease:answered', number: runs.length > 0 ? 1 : 0, validMs: 3000, retryAfterMs: 0, runs, imports: [] }
}
