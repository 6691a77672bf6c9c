import { setImmediate } from 'node:timers/promises'
import { VirtualTime } from '../support/virtual-time.ts'

/**
 * The time of a lab. Between any two events all promises settle, so that what a node does about one is done before the next, always
 * in the same order. That holds as long as nothing on the way waits for the machine: memory stores do not, and what hashes and signs
 * here is synchronous.
 */
export class LabTime {
  readonly #queue = new VirtualTime()
  #trace = 0x811c9dc5
  #events = 0

  get now(): number {
    return this.#queue.now
  }

  /** How many events there have been. */
  get events(): number {
    return this.#events
  }

  /** What has happened so far, as a number: two runs that did the same have the same. */
  get trace(): number {
    return this.#trace >>> 0
  }

  /** Something happened that two runs of one seed must agree on. */
  note(...facts: readonly (string | number)[]): void {
    this.#mix(this.#queue.now * 1000)
    for (const fact of facts) {
      if (typeof fact === 'number') this.#mix(fact)
      else for (let index = 0; index < fact.length; index++) this.#mix(fact.charCodeAt(index))
    }
  }

  /** Returns what cancels it. */
  after(delayMs: number, run: () => void): () => void {
    return this.at(this.now + delayMs, run)
  }

  /** Returns what cancels it. */
  at(atMs: number, run: () => void): () => void {
    let planned = true
    this.#queue.at(atMs, () => {
      if (planned) run()
    })
    return () => {
      planned = false
    }
  }

  /** Lets time pass until `done` holds, or until `untilMs`; says whether `done` holds. */
  async run(untilMs: number, done: () => boolean = () => false): Promise<boolean> {
    this.#queue.at(untilMs, () => {})
    await setImmediate()
    while (!done() && this.#queue.step(untilMs)) {
      this.#events++
      await setImmediate()
    }
    return done()
  }

  /** Lets time pass until the promise settles, and settles likewise. */
  async until<Value>(promise: Promise<Value>): Promise<Value> {
    let settled = false
    const settle = (): void => {
      settled = true
    }
    promise.then(settle, settle)
    await setImmediate()
    while (!settled && this.#queue.step(Infinity)) {
      this.#events++
      await setImmediate()
    }
    if (!settled) throw new TypeError('nothing is planned any more, and the promise has not settled')
    return promise
  }

  #mix(value: number): void {
    this.#trace = Math.imul(this.#trace ^ (value | 0), 0x01000193)
  }
}
