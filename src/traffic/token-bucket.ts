/** What a {@link TokenBucket} holds. */
export interface TokenBucketInit {
  /** Tokens that come in a second. */
  readonly perSecond: number
  /** Tokens that it holds at most, and in the beginning. */
  readonly burst: number
}

/** A budget that fills up with time. */
export class TokenBucket {
  readonly #init: TokenBucketInit
  #tokens: number
  #filledMs: number | undefined

  constructor(init: TokenBucketInit) {
    this.#init = init
    this.#tokens = init.burst
  }

  /** Takes tokens if there are as many, and returns 0; or takes none, and returns after how many milliseconds there will be. */
  take(count: number, nowMs: number): number {
    const { perSecond, burst } = this.#init
    const passedMs = Math.max(0, nowMs - (this.#filledMs ?? nowMs))
    this.#tokens = Math.min(burst, this.#tokens + (passedMs * perSecond) / 1000)
    this.#filledMs = nowMs
    // Sums of fractions miss a whole by a little.
    if (count <= this.#tokens + 1e-9) {
      this.#tokens -= count
      return 0
    }
    return ((count - this.#tokens) * 1000) / perSecond
  }
}
