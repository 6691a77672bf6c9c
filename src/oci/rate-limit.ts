import { maxRetryAfterMs } from './retry-after.ts'

/** The headers in which a host says how many requests it still takes; all values of each, in their order. */
export interface RateLimitHeaders {
  /** `RateLimit` */
  readonly limit: readonly string[]
  /** `RateLimit-Remaining` */
  readonly remaining: readonly string[]
  /** `RateLimit-Reset` */
  readonly reset: readonly string[]
}

/** A host takes no more requests; times are in milliseconds, at most {@link maxRetryAfterMs}. */
export interface SpentLimit {
  /** Until it takes some again, where it says. */
  readonly resetMs: number | undefined
  /** Over how long it counts, where it says: some requests may be taken again long before. */
  readonly windowMs: number | undefined
}

interface Quota {
  remaining?: number | undefined
  resetSeconds?: number | undefined
  windowSeconds?: number | undefined
}

/** Longer headers are cut, in characters, and of more quotas only the first count: no host has as many. */
const maxHeaderLength = 1024
const maxQuotas = 16
/** In seconds; what is longer is no time to wait but a time of day, since 1970, as GitLab sends it. */
const maxDelaySeconds = 1_000_000_000

/** Up to a comma or a semicolon that is not in quotes. */
const listMember = /(?:"(?:[^"\\]|\\.)*"|[^",])+/g
const itemPart = /(?:"(?:[^"\\]|\\.)*"|[^";])+/g

/**
 * Whether a host says that it takes no more requests, and for how long; `undefined` when it takes some, or says
 * nothing that can be understood. Reads all forms that the headers had while they were drafts: `RateLimit-Remaining: 0`
 * with `RateLimit-Reset: 30`, Docker Hub's `ratelimit-remaining: 0;w=21600`, `RateLimit: limit=9, remaining=0, reset=30`,
 * and `RateLimit: "default";r=0;t=30`, of which there may be several.
 *
 * @param wallMs - the time now, for resets that are a time of day
 * @see {@link https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/}
 */
export function parseRateLimit(headers: RateLimitHeaders, wallMs: number): SpentLimit | undefined {
  const quotas = [oldQuota(headers), ...quotasOf(headers.limit.join(', '))]
  const spent = quotas.filter(({ remaining }) => remaining === 0)
  if (spent.length === 0) return undefined
  // All of them must have room again.
  return {
    resetMs: longest(spent.map(({ resetSeconds }) => resetMs(resetSeconds, wallMs))),
    windowMs: longest(spent.map(({ windowSeconds }) => resetMs(windowSeconds, wallMs))),
  }
}

/** One quota in headers of its own. */
function oldQuota({ remaining, reset }: RateLimitHeaders): Quota {
  const [head, ...parameters] = partsOf(remaining[0] ?? '')
  return {
    remaining: numberOf(head),
    resetSeconds: numberOf(partsOf(reset[0] ?? '')[0]),
    windowSeconds: parameter(parameters, 'w'),
  }
}

/** The quotas of `RateLimit`: a list with one in each member, or a dictionary that is one. */
function quotasOf(header: string): Quota[] {
  const members = matches(header.slice(0, maxHeaderLength), listMember)
  if (members.some((member) => /^[a-z]+[ \t]*=/i.test(member))) {
    const values = members.map((member) => partsOf(member)[0] ?? '')
    return [{ remaining: parameter(values, 'remaining'), resetSeconds: parameter(values, 'reset') }]
  }
  return members.slice(0, maxQuotas).map((member) => {
    const [, ...parameters] = partsOf(member)
    return {
      remaining: parameter(parameters, 'r'),
      resetSeconds: parameter(parameters, 't'),
      windowSeconds: parameter(parameters, 'w'),
    }
  })
}

function partsOf(item: string): string[] {
  return matches(item.slice(0, maxHeaderLength), itemPart)
}

function matches(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([match]) => match.trim())
}

function parameter(parts: readonly string[], name: string): number | undefined {
  for (const part of parts) {
    const [key, value] = part.split('=', 2)
    if (key?.trim().toLowerCase() === name) return numberOf(value?.trim())
  }
  return undefined
}

function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

function resetMs(seconds: number | undefined, wallMs: number): number | undefined {
  if (seconds === undefined) return undefined
  const ms = seconds * 1000 - (seconds > maxDelaySeconds ? wallMs : 0)
  return Math.min(Math.max(ms, 0), maxRetryAfterMs)
}

function longest(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined)
  return known.length > 0 ? Math.max(...known) : undefined
}
