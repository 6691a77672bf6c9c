import type { Clock } from '../core/clock.ts'

/** Pauses that can be cut short. A ring that comes before the pause is not lost: the pause then ends at once. */
export class Alarm {
  readonly #clock: Clock
  #rung = false
  #end: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Whether it rang since the last reset. */
  get rung(): boolean {
    return this.#rung
  }

  reset(): void {
    this.#rung = false
  }

  ring(): void {
    this.#rung = true
    this.#end?.()
  }

  /** Resolves after `delayMs` milliseconds, when it rings, or when the signal is aborted; never rejects. One at a time. */
  pause(delayMs: number, signal?: AbortSignal): Promise<void> {
    if (this.#rung || signal?.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const end = (): void => {
        cancel()
        signal?.removeEventListener('abort', end)
        this.#end = undefined
        resolve()
      }
      const cancel = this.#clock.after(delayMs, end)
      signal?.addEventListener('abort', end)
      this.#end = end
    })
  }
}
