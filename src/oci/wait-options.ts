import type { Clock } from '../core/clock.ts'
import type { AbortOptions } from '../core/options.ts'

/** For what may have to wait because a host asked to be left alone. */
export interface WaitOptions extends AbortOptions {
  /** Told for how long from now it is held back, in milliseconds, and again when that gets longer. */
  readonly onWait?: ((durationMs: number) => void) | undefined
}

/** For whoever has somebody else to ask, and would rather know at once. */
export interface TryOptions extends WaitOptions {
  /** A registry that fails is not tried again. */
  readonly once?: boolean | undefined
}

/** Ends closer to each other than this, in milliseconds, are the same; clocks count in fractions. */
const sameEndMs = 1

/** A listener to waits that hears only of those which end later than all before. */
export function growingWaits(
  clock: Clock,
  onWait: WaitOptions['onWait'],
): WaitOptions['onWait'] {
  if (!onWait) return undefined
  let toldUntilMs = Number.NEGATIVE_INFINITY
  return (durationMs) => {
    const untilMs = clock.monotonicMs() + durationMs
    if (untilMs < toldUntilMs + sameEndMs) return
    toldUntilMs = untilMs
    onWait(durationMs)
  }
}
