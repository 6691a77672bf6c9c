import type { Clock } from '../core/clock.ts'

/** Over this long, in milliseconds of waiting, a body must have come at {@link minBytesPerSecond}. */
export const rateWindowMs: number = 30_000
/** Slower bodies are not worth waiting for: some other source will be faster. */
export const minBytesPerSecond: number = 16 * 1024

/**
 * Watches that a body arrives fast enough. Only time in which its reader waits counts: a reader that does not ask
 * is no fault of the sender.
 */
export class RateWatch {
  readonly #clock: Clock
  readonly #onTooSlow: () => void
  #waitingSinceMs: number | undefined
  #waitedMs = 0
  #bytes = 0
  #cancelTimer: () => void

  constructor(clock: Clock, onTooSlow: () => void) {
    this.#clock = clock
    this.#onTooSlow = onTooSlow
    this.#cancelTimer = clock.after(rateWindowMs, () => this.#check())
  }

  /** The reader asks for more. */
  waiting(): void {
    this.#waitingSinceMs = this.#clock.monotonicMs()
  }

  /** The reader has got some. */
  received(bytes: number): void {
    this.#waitedMs = this.#waitedSoFarMs()
    this.#waitingSinceMs = undefined
    this.#bytes += bytes
  }

  stop(): void {
    this.#cancelTimer()
  }

  #check(): void {
    const waitedMs = this.#waitedSoFarMs()
    if (waitedMs < rateWindowMs) {
      this.#cancelTimer = this.#clock.after(rateWindowMs - waitedMs, () => this.#check())
      return
    }
    if (this.#bytes < (minBytesPerSecond * waitedMs) / 1000) return this.#onTooSlow()
    this.#bytes = 0
    this.#waitedMs = 0
    if (this.#waitingSinceMs !== undefined) this.#waitingSinceMs = this.#clock.monotonicMs()
    this.#cancelTimer = this.#clock.after(rateWindowMs, () => this.#check())
  }

  #waitedSoFarMs(): number {
    return this.#waitingSinceMs === undefined
      ? this.#waitedMs
      : this.#waitedMs + this.#clock.monotonicMs() - this.#waitingSinceMs
  }
}
