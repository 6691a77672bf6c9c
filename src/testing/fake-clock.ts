import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../core/clock.ts'

/**
 * A clock that stands still until it is told to go on.
 * @public
 */
export interface FakeClock extends Clock {
  /** How many timers wait; 0 after everything was closed shows that nothing leaked. */
  readonly timerCount: number
  /** Lets `durationMs` milliseconds pass: timers run in the order in which they are due, each at its own time. */
  advance(durationMs: number): void
  /**
   * Likewise, but lets promises settle first and after each timer, so that what awaits a timer can set the next one.
   */
  advanceAsync(durationMs: number): Promise<void>
}

interface Timer {
  readonly dueMs: number
  readonly callback: () => void
}

/**
 * Makes a clock for tests.
 *
 * @param startWallMs - its wall time at first, in milliseconds since 1970; its monotonic time starts at 0
 * @example
 * ```ts
 * import { fakeClock } from 'damselfly/testing'
 *
 * const clock = fakeClock()
 * clock.after(1000, () => console.log('a second has passed'))
 * clock.advance(1000)
 * ```
 * @public
 */
export function fakeClock(startWallMs = 0): FakeClock {
  const timers = new Set<Timer>()
  let nowMs = 0

  /** Of timers that are due at once, the one that was set first. */
  function nextDue(untilMs: number): Timer | undefined {
    let next: Timer | undefined
    for (const timer of timers) if (timer.dueMs <= untilMs && (!next || timer.dueMs < next.dueMs)) next = timer
    return next
  }

  function run(timer: Timer): void {
    timers.delete(timer)
    // A timer that was set for the past runs now.
    nowMs = Math.max(nowMs, timer.dueMs)
    timer.callback()
  }

  return {
    monotonicMs: () => nowMs,
    wallMs: () => startWallMs + nowMs,
    get timerCount() {
      return timers.size
    },
    after(delayMs, callback) {
      const timer = { dueMs: nowMs + delayMs, callback }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    advance(durationMs) {
      const untilMs = nowMs + durationMs
      for (let timer = nextDue(untilMs); timer; timer = nextDue(untilMs)) run(timer)
      nowMs = untilMs
    },
    async advanceAsync(durationMs) {
      const untilMs = nowMs + durationMs
      await setImmediate()
      for (let timer = nextDue(untilMs); timer; timer = nextDue(untilMs)) {
        run(timer)
        await setImmediate()
      }
      nowMs = untilMs
    },
  }
}
