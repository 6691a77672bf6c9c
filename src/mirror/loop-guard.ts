import { AsyncLocalStorage } from 'node:async_hooks'

/** Names the mirrors that a request has come through. */
const header = 'damselfly-mirrored'
/** More mirrors behind each other than anybody sets up. */
const maxMirrors = 8
const namePattern = /^[A-Za-z0-9]{1,100}$/

/** Ends circles of mirrors: what a mirror asks of its upstream says through whom it has come, and nobody answers himself. */
export class LoopGuard {
  readonly #name: string
  readonly #via = new AsyncLocalStorage<readonly string[]>()

  /** @param name - what this mirror is called among all */
  constructor(name: string) {
    this.#name = name
  }

  /** Runs what answers a request; `undefined` when it comes from ourselves, or through too many. */
  run<Result>(received: string | undefined, answer: () => Promise<Result>): Promise<Result> | undefined {
    const via = (received ?? '').split(',').map((name) => name.trim()).filter((name) => namePattern.test(name))
    if (via.includes(this.#name) || via.length >= maxMirrors) return undefined
    return this.#via.run([...via, this.#name], answer)
  }

  /** What is sent to upstreams. */
  readonly headers = (): Readonly<Record<string, string>> => ({ [header]: (this.#via.getStore() ?? [this.#name]).join(', ') })

  /** Where requests name the mirrors that they have come through. */
  static readonly header: string = header
}
