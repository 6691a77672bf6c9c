/** No server keeps us away for longer, in milliseconds: by then the world has changed, or the header was nonsense. */
export const maxRetryAfterMs: number = 60_000

/**
 * How long a `Retry-After` header asks us to stay away, in milliseconds, at most {@link maxRetryAfterMs}; `undefined`
 * when it is absent or garbage.
 *
 * @param wallMs - the time now, for headers that are a date
 * @see {@link https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3}
 */
export function parseRetryAfter(header: string | undefined, wallMs: number): number | undefined {
  const text = header?.trim() ?? ''
  if (/^\d{1,32}$/.test(text)) return Math.min(Number(text) * 1000, maxRetryAfterMs)
  // Date.parse reads almost anything as a date; HTTP's three forms all begin with the name of a day.
  if (text.length > 40 || !/^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(text)) return undefined
  const at = Date.parse(text)
  return Number.isNaN(at) ? undefined : Math.min(Math.max(at - wallMs, 0), maxRetryAfterMs)
}
