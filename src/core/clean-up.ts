/**
 * What is to be closed in the end, the last opened first. One that fails to close does not keep the others open.
 * (`AsyncDisposableStack` is not in Node 22.)
 */
export class CleanUp implements AsyncDisposable {
  readonly #closers: (() => Promise<unknown>)[] = []

  /** Closes `resource` in the end. */
  use<Resource extends AsyncDisposable>(resource: Resource): Resource {
    this.defer(async () => resource[Symbol.asyncDispose]())
    return resource
  }

  defer(close: () => Promise<unknown>): void {
    this.#closers.push(close)
  }

  /** @throws the first failure, when all have been closed */
  async [Symbol.asyncDispose](): Promise<void> {
    const failures: unknown[] = []
    for (let close = this.#closers.pop(); close; close = this.#closers.pop()) {
      try {
        await close()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}
