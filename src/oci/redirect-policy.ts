import { OriginError } from '../core/errors.ts'
import type { Secret } from '../core/secret.ts'

/** Redirects that one request follows, at most. */
const maxRedirects = 5

/** What may go to a host that the registry chose: it says what we want, not who we are. */
const headersForAnyHost: ReadonlySet<string> = new Set([
  'accept',
  'accept-encoding',
  'if-range',
  'range',
  'user-agent',
])

/** One request on its way through redirects. */
export interface Hop {
  readonly url: URL
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  /** The `Authorization` header. */
  readonly authorization?: Secret | undefined
  /** Redirects followed so far. */
  readonly redirects: number
}

/**
 * The next hop of a GET. Headers that may name us go no further than the scheme, host and port they were meant for;
 * nothing goes from HTTPS to plain HTTP.
 *
 * @throws {@link OriginError} `ERR_ORIGIN_REDIRECT`
 * @see {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-blobs}
 */
export function followRedirect(hop: Hop, location: string | undefined): Hop {
  const from = printUrl(hop.url)
  if (hop.redirects >= maxRedirects) {
    throw badRedirect(`${from} is the end of ${maxRedirects} redirects, and redirects again`)
  }
  const url = location === undefined ? null : URL.parse(location, hop.url.href)
  if (!url) throw badRedirect(`${from} redirects to nowhere`)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw badRedirect(`${from} redirects to a ${url.protocol.slice(0, 32)} address`)
  }
  if (hop.url.protocol === 'https:' && url.protocol === 'http:') {
    throw badRedirect(`${from} redirects to plain HTTP at ${url.host.slice(0, 256)}`)
  }
  if (url.username || url.password) {
    throw badRedirect(`${from} redirects to an address with a user name in it`)
  }
  const redirects = hop.redirects + 1
  if (url.origin === hop.url.origin) return { ...hop, url, redirects }
  const kept = Object.entries(hop.headers).filter(([name]) => headersForAnyHost.has(name))
  return { url, headers: Object.fromEntries(kept), redirects }
}

/** A URL for messages: without its query and fragment, which may be a signature. */
export function printUrl(url: URL): string {
  return `${url.origin.slice(0, 256)}${url.pathname.slice(0, 256)}`
}

function badRedirect(message: string): OriginError {
  return new OriginError('ERR_ORIGIN_REDIRECT', `${message}: not followed`)
}
