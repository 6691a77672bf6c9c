import { systemClock, type Clock } from '../../src/core/clock.ts'

/**
 * A clock on which a second lasts longer: a dozen nodes in one process, on a machine with other work, need that for what a node of
 * its own does in one.
 * @param times - how much longer
 */
export function slowClock(times: number): Clock {
  return {
    monotonicMs: () => systemClock.monotonicMs() / times,
    wallMs: () => systemClock.wallMs(),
    after: (delayMs, callback) => systemClock.after(delayMs * times, callback),
  }
}
