import type { Clock } from '../core/clock.ts'
import { holdProcess } from './process-hold.ts'
import type { WaitOptions } from './wait-options.ts'

/** Requests to one host that are under way at once. */
const maxConcurrentRequests = 8

interface Waiting {
  readonly start: () => void
  readonly onWait: WaitOptions['onWait']
}

/**
 * The one door to a host: first come, first served, a few at a time, and closed for all while the host asks to be
 * left alone.
 */
export class RequestQueue {
  readonly #clock: Clock
  readonly #maxConcurrent: number
  /** Who waits for a turn, and who only for the door to open. */
  readonly #waiting: Waiting[] = []
  readonly #passing: Waiting[] = []
  #active = 0
  #closedUntilMs = 0
  #cancelTimer: (() => void) | undefined
  #releaseProcess: (() => void) | undefined

  constructor(clock: Clock, maxConcurrent: number = maxConcurrentRequests) {
    this.#clock = clock
    this.#maxConcurrent = maxConcurrent
  }

  /** Nobody is on the way or waits, and everybody may come. */
  get isIdle(): boolean {
    return this.#active === 0 && this.#isDeserted && this.#closedMs <= 0
  }

  /** Resolves when it is the caller's turn, with what ends the turn; ending it twice does nothing more. */
  enter(options: WaitOptions = {}): Promise<() => void> {
    return this.#join(this.#waiting, options, () => {
      this.#active++
      return this.#releaser()
    })
  }

  /**
   * Resolves when the door is open, without a turn: for what else a request needs that has its turn here or elsewhere.
   * Taking a second turn while one has the first could make all wait for each other.
   */
  pass(options: WaitOptions = {}): Promise<void> {
    return this.#join(this.#passing, options, () => {})
  }

  /** Lets nobody in for that long; what is under way goes on. */
  holdOff(durationMs: number): void {
    const untilMs = this.#clock.monotonicMs() + durationMs
    if (untilMs <= this.#closedUntilMs) return
    this.#closedUntilMs = untilMs
    for (const { onWait } of [...this.#passing, ...this.#waiting]) onWait?.(durationMs)
    this.#stopTimer()
    this.#pump()
  }

  get #isDeserted(): boolean {
    return this.#waiting.length === 0 && this.#passing.length === 0
  }

  get #closedMs(): number {
    return this.#closedUntilMs - this.#clock.monotonicMs()
  }

  #join<Result>(
    line: Waiting[],
    { signal, onWait }: WaitOptions,
    begin: () => Result,
  ): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      if (this.#closedMs > 0) onWait?.(this.#closedMs)
      const waiting: Waiting = {
        onWait,
        start() {
          signal?.removeEventListener('abort', onAbort)
          resolve(begin())
        },
      }
      const onAbort = (): void => {
        line.splice(line.indexOf(waiting), 1)
        if (this.#isDeserted) this.#stopTimer()
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      line.push(waiting)
      this.#pump()
    })
  }

  #pump(): void {
    if (this.#isDeserted) return
    const waitMs = this.#closedMs
    if (waitMs > 0) {
      this.#releaseProcess ??= holdProcess()
      this.#cancelTimer ??= this.#clock.after(waitMs, () => {
        this.#stopTimer()
        this.#pump()
      })
      return
    }
    for (const { start } of this.#passing.splice(0)) start()
    while (this.#active < this.#maxConcurrent) {
      const next = this.#waiting.shift()
      if (!next) return
      next.start()
    }
  }

  #releaser(): () => void {
    let released = false
    return () => {
      if (released) return
      released = true
      this.#active--
      this.#pump()
    }
  }

  #stopTimer(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#releaseProcess?.()
    this.#releaseProcess = undefined
  }
}
