import { printRange } from './content-range.ts'
import type { HttpResponse } from './http-response.ts'

/** How one host takes to ranges, while one blob is read. */
export class RangeHabits {
  #etag: string | undefined
  #ignoresRanges = false

  /**
   * Headers that ask for a range, on condition that the blob is still the one we know; none when the whole is to be
   * asked for.
   */
  headersFor(
    offset: number,
    end: number | undefined,
    sizeBytes: number | undefined,
  ): Readonly<Record<string, string>> {
    if (this.#ignoresRanges || (offset === 0 && end === sizeBytes)) return {}
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
    if (!changed) this.#ignoresRanges = true
  }
}
