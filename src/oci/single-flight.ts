/** Runs one task at a time for each key, whoever asks. */
export class SingleFlight<Result> {
  readonly #running = new Map<string, Promise<Result>>()

  /**
   * The result of the task that runs for this key; starts it when there is none. An aborted caller leaves, and the
   * task goes on for the others: it must end by itself.
   */
  run(key: string, task: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    const running = this.#running.get(key) ?? this.#start(key, task)
    return signal ? untilAborted(running, signal) : running
  }

  #start(key: string, task: () => Promise<Result>): Promise<Result> {
    const running = task().finally(() => this.#running.delete(key))
    this.#running.set(key, running)
    return running
  }
}

function untilAborted<Result>(promise: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
