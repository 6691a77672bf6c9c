import { setMaxListeners } from 'main-event'
import type { Clock } from '../core/clock.ts'

/** A signal that is aborted after a time, or with the caller's signal. Dispose of it when the work is done. */
export class Deadline implements Disposable {
  readonly signal: AbortSignal
  readonly #release: () => void
  #expired = false

  constructor(clock: Clock, delayMs: number, signal?: AbortSignal) {
    const controller = new AbortController()
    // One libp2p call listens to it once for each of up to 20 nodes that it talks to.
    setMaxListeners(Infinity, controller.signal)
    const onAbort = (): void => controller.abort(signal?.reason)
    const cancel = clock.after(delayMs, () => {
      this.#expired = true
      controller.abort()
    })
    if (signal?.aborted) onAbort()
    else signal?.addEventListener('abort', onAbort, { once: true })
    this.signal = controller.signal
    this.#release = () => {
      cancel()
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /** True when the time was up before the caller's signal was aborted. */
  get expired(): boolean {
    return this.#expired
  }

  [Symbol.dispose](): void {
    this.#release()
  }
}
