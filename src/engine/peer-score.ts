/** Before anything is known of the peer: a peer that says what it has and gives nothing must cost less than going to the origin would. */
const firstDeadlineMs = 2000
const firstDeadlineMsPerMib = 2000
const minDeadlineMs = 1000
/** A request may take this many times the link's own mean before it is asked for elsewhere. */
const deadlineFactor = 4
const firstBackoffMs = 1000
const maxBackoffMs = 60_000
/** A peer that says "busy, come back at once" is not asked in a tight loop. */
const minBusyMs = 20
/** A peer that only ever says "busy" for this long is as good as one that does not answer in time. */
const putOffMs = 2000
const mib = 1024 * 1024

/** What we learned of a peer by asking it for pieces of one blob. */
export class PeerScore {
  #meanMs: number | undefined
  #failures = 0
  #backoffUntilMs = 0
  #busyUntilMs = 0
  /** Since when it has said "busy" and delivered nothing. */
  #busyFromMs: number | undefined
  #putsOff = false

  /** How long a piece of `sizeBytes` may take before we ask elsewhere. */
  deadlineMs(sizeBytes: number): number {
    if (this.#meanMs === undefined) return firstDeadlineMs + (firstDeadlineMsPerMib * sizeBytes) / mib
    return Math.max(minDeadlineMs, deadlineFactor * this.#meanMs)
  }

  /** How long a peer may send nothing at all before its request is over: slow links keep requests waiting in their queue. */
  get silenceMs(): number {
    return deadlineFactor * (this.#meanMs ?? 0)
  }

  /** Mean time in which the peer serves a piece, in milliseconds; `undefined` before the first one. */
  get meanMs(): number | undefined {
    return this.#meanMs
  }

  /** Whether its last requests came to nothing: it gets one at a time until it delivers. */
  get snubbed(): boolean {
    return this.#failures > 0
  }

  /** Whether it has long been too busy for us: it may be asked, and others may give or read what it has. */
  get putsOff(): boolean {
    return this.#putsOff
  }

  /** From when on it may be asked again. */
  get mayAskAtMs(): number {
    return Math.max(this.#backoffUntilMs, this.#busyUntilMs)
  }

  mayAsk(now: number): boolean {
    return now >= this.mayAskAtMs
  }

  delivered(tookMs: number): void {
    this.#meanMs = this.#meanMs === undefined ? tookMs : this.#meanMs * 0.8 + tookMs * 0.2
    this.#failures = 0
    this.#backoffUntilMs = 0
    this.#busyFromMs = undefined
    this.#putsOff = false
  }

  /** It stalled, failed, or had less than it said. */
  failed(now: number): void {
    // Requests that were out together fail together: that counts once.
    if (now < this.#backoffUntilMs) return
    this.#backoffUntilMs = now + Math.min(maxBackoffMs, firstBackoffMs * 2 ** this.#failures)
    this.#failures++
  }

  busy(now: number, retryAfterMs: number): void {
    this.#busyFromMs ??= now
    this.#putsOff = now - this.#busyFromMs >= putOffMs
    this.#busyUntilMs = Math.max(this.#busyUntilMs, now + Math.max(minBusyMs, retryAfterMs))
  }
}
