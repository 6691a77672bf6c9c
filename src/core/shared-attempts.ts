import { abortable } from './abortable.ts'

/** One attempt that several callers wait for. */
interface Attempt<T> {
  readonly done: Promise<T>
  readonly controller: AbortController
  callers: number
}

/** Attempts by key: who asks for what is already on its way joins it. An attempt is given up when its last caller is. */
export class SharedAttempts<T> {
  readonly #joinable = new Map<string, Attempt<T>>()
  readonly #running = new Set<Attempt<T>>()

  /** @throws `signal.reason` when aborted; as the attempt fails otherwise */
  async join(key: string, begin: (signal: AbortSignal) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    signal?.throwIfAborted()
    const attempt = this.#joinable.get(key) ?? this.#begin(key, begin)
    attempt.callers++
    try {
      return await abortable(attempt.done, signal)
    } finally {
      attempt.callers--
      if (attempt.callers === 0 && this.#running.has(attempt)) {
        // It may take a while to end; who asks meanwhile begins anew.
        if (this.#joinable.get(key) === attempt) this.#joinable.delete(key)
        attempt.controller.abort(signal?.reason)
      }
    }
  }

  /** Gives all up; resolves when they have ended. */
  async abortAll(reason: Error): Promise<void> {
    for (const attempt of this.#running) attempt.controller.abort(reason)
    await Promise.allSettled([...this.#running].map((attempt) => attempt.done))
  }

  #begin(key: string, begin: (signal: AbortSignal) => Promise<T>): Attempt<T> {
    const controller = new AbortController()
    const attempt: Attempt<T> = { done: begin(controller.signal), controller, callers: 0 }
    this.#joinable.set(key, attempt)
    this.#running.add(attempt)
    const ended = (): void => {
      this.#running.delete(attempt)
      if (this.#joinable.get(key) === attempt) this.#joinable.delete(key)
    }
    attempt.done.then(ended, ended)
    return attempt
  }
}
