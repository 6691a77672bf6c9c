import type { Clock } from '../core/clock.ts'
import { holdProcess } from './process-hold.ts'

/** Requests to one host that are under way at once. */
const maxConcurrentRequests = 8

interface Waiting {
  readonly start: (release: () => void) => void
}

/**
 * The one door to a host: first come, first served, a few at a time, and closed for all while the host asks to be
 * left alone.
 */
export class RequestQueue {
  readonly #clock: Clock
  readonly #maxConcurrent: number
  readonly #waiting: Waiting[] = []
  #active = 0
  #closedUntilMs = 0
  #cancelTimer: (() => void) | undefined
  #releaseProcess: (() => void) | undefined

  constructor(clock: Clock, maxConcurrent: number = maxConcurrentRequests) {
    this.#clock = clock
    this.#maxConcurrent = maxConcurrent
  }

  /** Resolves when it is the caller's turn, with what ends the turn; ending it twice does nothing more. */
  enter(signal?: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const waiting: Waiting = {
        start(release) {
          signal?.removeEventListener('abort', onAbort)
          resolve(release)
        },
      }
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
        if (this.#waiting.length === 0) this.#stopTimer()
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiting.push(waiting)
      this.#pump()
    })
  }

  /** Lets nobody in for that long; what is under way goes on. */
  holdOff(durationMs: number): void {
    this.#closedUntilMs = Math.max(this.#closedUntilMs, this.#clock.monotonicMs() + durationMs)
    this.#stopTimer()
    this.#pump()
  }

  #pump(): void {
    if (this.#waiting.length === 0) return
    const waitMs = this.#closedUntilMs - this.#clock.monotonicMs()
    if (waitMs > 0) {
      this.#releaseProcess ??= holdProcess()
      this.#cancelTimer ??= this.#clock.after(waitMs, () => {
        this.#stopTimer()
        this.#pump()
      })
      return
    }
    while (this.#active < this.#maxConcurrent) {
      const next = this.#waiting.shift()
      if (!next) return
      this.#active++
      next.start(this.#releaser())
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
