/** So many failures one after the other say that a host is down, rather than that some requests are unlucky. */
const failuresToOpen = 10
/** Then it is left alone for this long, in milliseconds, and tried again with one request. */
const openMs = 10_000

/** Keeps requests from a host that is down. Times are on a clock that only grows, in milliseconds. */
export class CircuitBreaker {
  #failures = 0
  #openUntilMs = 0
  #probing = false

  /** 0 when a request may go, which then must report how it went; otherwise how long to wait, in milliseconds. */
  admit(nowMs: number): number {
    if (this.#failures < failuresToOpen) return 0
    if (nowMs < this.#openUntilMs) return this.#openUntilMs - nowMs
    if (this.#probing) return openMs
    this.#probing = true
    return 0
  }

  succeeded(): void {
    this.#failures = 0
    this.#probing = false
  }

  failed(nowMs: number): void {
    this.#failures++
    this.#probing = false
    if (this.#failures >= failuresToOpen) this.#openUntilMs = nowMs + openMs
  }

  /** A request that was admitted ended without showing how the host is. */
  abandoned(): void {
    this.#probing = false
  }
}
