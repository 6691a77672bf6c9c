/**
 * Where time comes from. Pass `fakeClock()` of `damselfly/testing` to decide it yourself.
 * @public
 */
export interface Clock {
  /** Milliseconds that only grow; for durations and deadlines. */
  monotonicMs(): number
  /** Milliseconds since 1970; for times that outlive the process. */
  wallMs(): number
  /** Calls back once after `delayMs` milliseconds; the timer does not keep the process alive. Returns what cancels it. */
  after(delayMs: number, callback: () => void): () => void
}

/** The machine's clock. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    timer.unref()
    return () => clearTimeout(timer)
  },
}

/** Resolves after `delayMs` milliseconds; rejects with the signal's reason when it is aborted first. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    function onAbort(): void {
      cancel()
      reject(signal?.reason)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}
