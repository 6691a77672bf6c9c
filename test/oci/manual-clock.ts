import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../../src/core/clock.ts'

interface Timer {
  readonly atMs: number
  readonly callback: () => void
}

/** Time that stands still until a test moves it, beside sockets and processes that really run. */
export class ManualClock implements Clock {
  #nowMs = 1000
  readonly #timers = new Set<Timer>()

  monotonicMs(): number {
    return this.#nowMs
  }

  wallMs(): number {
    return Date.UTC(2026, 0, 1) + this.#nowMs
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, callback }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  get timerCount(): number {
    return this.#timers.size
  }

  /** Milliseconds until the next timer. */
  get nextMs(): number | undefined {
    const times = [...this.#timers].map(({ atMs }) => atMs - this.#nowMs)
    return times.length > 0 ? Math.min(...times) : undefined
  }

  advance(ms: number): void {
    const untilMs = this.#nowMs + ms
    for (;;) {
      const due = [...this.#timers].filter(({ atMs }) => atMs <= untilMs).toSorted((a, b) => a.atMs - b.atMs)[0]
      if (!due) break
      this.#timers.delete(due)
      this.#nowMs = Math.max(this.#nowMs, due.atMs)
      due.callback()
    }
    this.#nowMs = untilMs
  }

  /** Resolves when a timer waits that will fire in exactly so many milliseconds. */
  async reached(ms: number): Promise<void> {
    while (![...this.#timers].some(({ atMs }) => Math.abs(atMs - this.#nowMs - ms) < 1e-6)) await setImmediate()
  }

  /** Lets a promise settle, jumping over every wait of at most `patienceMs`. Returns how long it took on this clock, and keeps its result. */
  async skipping<T>(promise: Promise<T>, patienceMs = 9_000): Promise<T> {
    let settled = false
    const done = (): void => {
      settled = true
    }
    promise.then(done, done)
    while (!settled) {
      const nextMs = this.nextMs
      if (nextMs !== undefined && nextMs <= patienceMs) this.advance(nextMs)
      await setImmediate()
    }
    return promise
  }
}
