import { abortable } from '../core/abortable.ts'
import { sleep } from '../core/clock.ts'
import type { Digest } from '../core/digest.ts'
import type { SessionEvent } from '../engine/session-event.ts'
import type { LeaseListener } from './leases.ts'
import type { SwarmContext } from './swarm-context.ts'

/** Whoever got no leave for this long goes without: a tracker may lie. */
const patienceMs = 3000
const whole = [{ first: 0, count: 1 }]

/** Leave to ask an origin about a blob of which nothing is known yet. */
export class OneLease {
  readonly #context: SwarmContext
  readonly #digest: Digest
  #number = 0
  #heard: (event: SessionEvent) => void = () => {}
  readonly #listener: LeaseListener = (event) => this.#heard(event)

  constructor(context: SwarmContext, digest: Digest) {
    this.#context = context
    this.#digest = digest
  }

  /** Resolves when the origin may be asked: a tracker lets us, none is in reach, or one refuses for too long. */
  async acquire(signal: AbortSignal): Promise<void> {
    const { clock } = this.#context
    const startedMs = clock.monotonicMs()
    for (;;) {
      signal.throwIfAborted()
      const answer = await abortable(this.#ask(), signal)
      if (answer.type !== 'lease:answered') return
      this.#number = answer.number
      if (answer.number !== 0) return
      const leftMs = patienceMs - (clock.monotonicMs() - startedMs)
      if (leftMs <= 0) return
      await sleep(clock, Math.min(leftMs, answer.retryAfterMs), signal)
    }
  }

  /** Others may ask it again when they find nobody who knows. */
  giveBack(): void {
    const ask = { number: this.#number, count: 0, held: [], wanted: [], rateBytesPerSecond: 0 }
    if (this.#number !== 0) this.#context.leases.ask(this.#digest, undefined, ask, this.#listener)
    this.#context.leases.forget(this.#digest, this.#listener)
  }

  #ask(): Promise<SessionEvent> {
    const { promise, resolve } = Promise.withResolvers<SessionEvent>()
    const ask = { number: this.#number, count: 1, held: [], wanted: whole, rateBytesPerSecond: 0 }
    this.#heard = resolve
    this.#context.leases.ask(this.#digest, undefined, ask, this.#listener)
    return promise
  }
}
