const firstDeadlineMs = 4000
const firstDeadlineMsPerMib = 4000
const minDeadlineMs = 1000
/** A request may take this many times the link's own mean before it is asked for elsewhere. */
const deadlineFactor = 4
const maxBackoffMs = 60_000
const mib = 1024 * 1024

/** What we learned of a peer by asking it for pieces of one blob. */
export class PeerScore {
  #meanMs: number | undefined
  #failures = 0
  #askAfterMs = 0

  /** How long a piece of `sizeBytes` may take before we ask elsewhere. */
  deadlineMs(sizeBytes: number): number {
    if (this.#meanMs === undefined) return firstDeadlineMs + (firstDeadlineMsPerMib * sizeBytes) / mib
    return Math.max(minDeadlineMs, deadlineFactor * this.#meanMs)
  }

  /** Mean time in which the peer serves a piece, in milliseconds; `undefined` before the first one. */
  get meanMs(): number | undefined {
    return this.#meanMs
  }

  /** Whether its last requests came to nothing: it gets one at a time until it delivers. */
  get snubbed(): boolean {
    return this.#failures > 0
  }

  mayAsk(now: number): boolean {
    return now >= this.#askAfterMs
  }

  /** When it may be asked again. */
  get askAfterMs(): number {
    return this.#askAfterMs
  }

  delivered(tookMs: number): void {
    this.#meanMs = this.#meanMs === undefined ? tookMs : this.#meanMs * 0.8 + tookMs * 0.2
    this.#failures = 0
    this.#askAfterMs = 0
  }

  /** It stalled, failed, or had less than it said. */
  failed(now: number): void {
    this.#failures++
    this.#askAfterMs = now + Math.min(maxBackoffMs, 500 * 2 ** this.#failures)
  }

  busy(now: number, retryAfterMs: number): void {
    this.#askAfterMs = Math.max(this.#askAfterMs, now + retryAfterMs)
  }
}
