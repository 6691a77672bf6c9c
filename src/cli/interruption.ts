const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const

/** Turns the first SIGINT or SIGTERM into an abort, so that what is open gets closed; the second one ends the process. */
export class Interruption implements Disposable {
  readonly #controller = new AbortController()
  #exitCode: number | undefined

  constructor() {
    process.on('SIGINT', this.#onSignal)
    process.on('SIGTERM', this.#onSignal)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** What to exit with when a signal came: 128 and its number, as shells count. */
  get exitCode(): number | undefined {
    return this.#exitCode
  }

  [Symbol.dispose](): void {
    process.off('SIGINT', this.#onSignal)
    process.off('SIGTERM', this.#onSignal)
  }

  readonly #onSignal = (name: keyof typeof exitCodes): void => {
    if (this.#exitCode !== undefined) process.exit(exitCodes[name])
    this.#exitCode = exitCodes[name]
    this.#controller.abort()
  }
}
