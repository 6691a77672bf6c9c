import { parseRateLimit } from './rate-limit.ts'
import { parseRetryAfter } from './retry-after.ts'

/** What an answer says about when to come again. */
export interface HostAnswer {
  readonly status: number
  /** All values of a header. */
  headers(name: string): readonly string[]
}

/**
 * How long the host of an answer asks to be left alone, in milliseconds, at most a minute; `undefined` when it does not
 * ask. A refusal with `Retry-After` says so; so does any answer that says that it was the last one for a while.
 *
 * @param wallMs - the time now, for headers that are a date
 */
export function askedAbsenceMs(answer: HostAnswer, wallMs: number): number | undefined {
  const { status } = answer
  if (status === 429 || status === 503) {
    const retryAfterMs = parseRetryAfter(answer.headers('retry-after')[0], wallMs)
    if (retryAfterMs !== undefined) return retryAfterMs
  }
  const spent = parseRateLimit(
    {
      limit: answer.headers('ratelimit'),
      remaining: answer.headers('ratelimit-remaining'),
      reset: answer.headers('ratelimit-reset'),
    },
    wallMs,
  )
  // A window says over how long requests are counted, not when there is room again: a hint for who was refused,
  // and none for who was served.
  return spent?.resetMs ?? (status === 429 ? spent?.windowMs : undefined)
}
