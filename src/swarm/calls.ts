import type { AbortOptions } from '../core/options.ts'

/** Calls of the user that are under way: each ends with its own signal, or with the node. */
export class Calls {
  readonly #closing = new AbortController()
  readonly #running = new Set<Promise<unknown>>()

  /** Aborted when the node closes. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  /** Runs a call of the user: it ends with its own signal, or with the node. */
  async run<Result>(call: (signal: AbortSignal) => Promise<Result>, options: AbortOptions): Promise<Result> {
    const { signal, done } = this.begin(options)
    const running = call(signal)
    this.#running.add(running)
    try {
      return await running
    } finally {
      this.#running.delete(running)
      done()
    }
  }

  /** Like {@link Calls.run}, for calls that yield. */
  begin({ signal }: AbortOptions): { signal: AbortSignal; done: () => void } {
    signal?.throwIfAborted()
    this.closing.throwIfAborted()
    // By hand, not by AbortSignal.any: a signal that lives as long as the process must not collect one listener a call.
    const controller = new AbortController()
    const ends = [this.closing, ...(signal ? [signal] : [])]
    const stops = ends.map((end) => {
      const onAbort = (): void => controller.abort(end.reason)
      end.addEventListener('abort', onAbort, { once: true })
      return () => end.removeEventListener('abort', onAbort)
    })
    return { signal: controller.signal, done: () => stops.forEach((stop) => stop()) }
  }

  /** All calls end, and no other one begins. */
  end(reason: Error): void {
    this.#closing.abort(reason)
  }

  /** Resolves when all that were run have ended. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.#running)
  }
}
