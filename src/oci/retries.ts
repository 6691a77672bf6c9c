import { sleep, type Clock } from '../core/clock.ts'
import { OriginError } from '../core/errors.ts'
import type { Random } from '../core/random.ts'
import { holdProcess } from './process-hold.ts'
import type { WaitOptions } from './wait-options.ts'

/** Tries of one operation in all, those that brought much aside. */
const maxTries = 5
/** Before the second try, in milliseconds; it doubles with each. */
const firstBackoffMs = 250
/** Tries that brought this many bytes have earned their operation a new start. */
const progressBytes = 1024 * 1024

/** What retries wait with. */
export interface RetryContext extends WaitOptions {
  readonly clock: Clock
  readonly random: Random
}

/** How often one operation may still fail. */
export class Retries {
  readonly #context: RetryContext
  readonly #isHopeless: (failure: OriginError) => boolean
  #failures = 0
  #bytes = 0

  /** @param isHopeless - of retryable failures, those after which another try would not help after all */
  constructor(context: RetryContext, isHopeless: (failure: OriginError) => boolean) {
    this.#context = context
    this.#isHopeless = isHopeless
  }

  /** Bytes came. */
  progressed(bytes: number): void {
    this.#bytes += bytes
  }

  /**
   * Waits until the next try: half the backoff for sure, the other half by chance, so that nodes that failed together
   * do not come back together. Throws the failure when another try would not help, or there have been enough.
   */
  async next(failure: unknown): Promise<void> {
    if (this.#bytes >= progressBytes) this.#failures = 0
    this.#bytes = 0
    this.#failures++
    if (!(failure instanceof OriginError) || !failure.retryable || this.#isHopeless(failure)) {
      throw failure
    }
    if (this.#failures >= maxTries) throw failure
    const { clock, random, signal, onWait } = this.#context
    const backoffMs = firstBackoffMs * 2 ** (this.#failures - 1) * (0.5 + random.next() / 2)
    if (asksToWait(failure)) onWait?.(Math.max(backoffMs, failure.retryAfterMs ?? 0))
    const release = holdProcess()
    await sleep(clock, backoffMs, signal).finally(release)
  }
}

/** Whether it is the host's wish that we wait, rather than our own. */
function asksToWait({ code, status, retryAfterMs }: OriginError): boolean {
  return code === 'ERR_ORIGIN_RATE' || (status === 503 && retryAfterMs !== undefined)
}
