import type { Clock } from '../core/clock.ts'
import { printRange } from './content-range.ts'
import type { HttpResponse } from './http-response.ts'

/** A host that ignored a range is asked for none for this long, in milliseconds; it may learn, or not all behind it are alike. */
const ignoringMs = 600_000

/** Whether one host does ranges at all, as far as its last answers say. */
export class HostRanges {
  readonly #clock: Clock
  #ignoredUntilMs = Number.NEGATIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get ignored(): boolean {
    return this.#clock.monotonicMs() < this.#ignoredUntilMs
  }

  /** It answered a range with the whole. */
  wereIgnored(): void {
    this.#ignoredUntilMs = this.#clock.monotonicMs() + ignoringMs
  }
}

/** How one host takes to ranges, while one blob is read. */
export class RangeHabits {
  readonly #host: HostRanges
  #etag: string | undefined
  #ignoresRanges = false

  constructor(host: HostRanges) {
    this.#host = host
  }

  /**
   * Headers that ask for a range, on condition that the blob is still the one we know; none when the whole is to be
   * asked for.
   */
  headersFor(
    offset: number,
    end: number | undefined,
    sizeBytes: number | undefined,
  ): Readonly<Record<string, string>> {
    if (this.#ignoresRanges || this.#host.ignored || (offset === 0 && end === sizeBytes)) return {}
    const length = end === undefined ? undefined : end - offset
    return {
      range: printRange({ offset, length }),
      ...(this.#etag && { 'if-range': this.#etag }),
    }
  }

  /** Remembers which version of the blob came; a weak tag says nothing about bytes. */
  heard(response: HttpResponse): void {
    const etag = response.header('etag')
    this.#etag = etag !== undefined && /^"[\x21\x23-\x7e]{0,255}"$/.test(etag) ? etag : undefined
  }

  /**
   * The answer to a range was another one, or the whole. When the blob has changed, the whole was in order; otherwise,
   * no more ranges.
   */
  misunderstood(response: HttpResponse): void {
    const changed =
      response.status === 200 && this.#etag !== undefined && response.header('etag') !== this.#etag
    if (changed) return
    this.#ignoresRanges = true
    if (response.status === 200) this.#host.wereIgnored()
  }
}
