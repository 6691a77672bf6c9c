import type { Clock } from './clock.ts'

/** A timer that comes so much too late was held up by this process: it was stopped, or busy with something else. */
const pauseMs = 1000
/** Timers may come a little before their time. */
const earlyMs = 5

/**
 * A clock on which the time does not pass in which this process did nothing: whoever waits for others must not blame them for that. The wall
 * clock goes on. It notices a pause by the first timer that comes late, which comes before what arrived meanwhile.
 */
export function steadyClock(clock: Clock): Clock {
  let pausedMs = 0
  const monotonicMs = (): number => clock.monotonicMs() - pausedMs
  return {
    monotonicMs,
    wallMs: () => clock.wallMs(),
    after(delayMs, callback) {
      const dueMs = monotonicMs() + Math.max(0, delayMs)
      const fire = (): void => {
        const lateMs = monotonicMs() - dueMs
        if (lateMs >= pauseMs) pausedMs += lateMs
        // Of those that were due in a pause, each has its time after it, as it would have had.
        else if (lateMs < -earlyMs) return void (cancel = clock.after(-lateMs, fire))
        callback()
      }
      let cancel = clock.after(delayMs, fire)
      return () => cancel()
    },
  }
}
