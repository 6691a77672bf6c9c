import { systemClock, type Clock } from '../core/clock.ts'
import { RequestError } from '../core/errors.ts'
import type { Origin } from '../core/origin.ts'
import { seededRandom } from '../core/random.ts'
import type { TlsTrust } from './connector.ts'
import { refusalError } from './distribution-error.ts'
import { HostGates } from './host-gates.ts'
import { HttpClient } from './http-client.ts'
import { isConnectTimeout } from './network-error.ts'
import { HostRanges, RangeHabits } from './range-habits.ts'
import { readRange, type RangeAnswer } from './range-reader.ts'
import { printUrl } from './redirect-policy.ts'
import type { Registries } from './registries.ts'
import { Retries } from './retries.ts'
import { Secret } from '../core/secret.ts'
import { growingWaits, type WaitOptions } from './wait-options.ts'

/**
 * Settings of {@link httpOrigin}.
 * @public
 */
export interface HttpOriginOptions {
  /** Sent with each request to this host, and to no other that it may redirect to. */
  headers?: Readonly<Record<string, string>> | undefined
  /** Takes any certificate. */
  insecure?: boolean | undefined
  /** Certificates in PEM form that vouch for the host, instead of the system's. */
  ca?: string | undefined
  /**
   * Whose queue before the host to share, so that all requests to it are few and leave it alone when it asks for that.
   * Their settings and credentials are not used. @defaultValue a queue of its own
   */
  registries?: Registries | undefined
  /** @defaultValue that of the registries, or the machine's clock */
  clock?: Clock | undefined
}

/**
 * A file on a web server, as an origin. Ranges are used where the server does them.
 *
 * What it gives counts as private when it was asked for with headers or a query, for either may be a key.
 *
 * @param url - `https:`, or `http:` where a reader of the traffic does no harm: the bytes are checked by their digest
 * in any case
 * @throws {@link RequestError} `ERR_REQUEST_OPTION` when the address cannot be used
 * @public
 */
export function httpOrigin(url: string | URL, options: HttpOriginOptions = {}): Origin {
  const { insecure, ca, registries } = options
  const { clock = registries?.hostGates.clock ?? systemClock } = options
  const target = parseTarget(url)
  const { authorization, ...others } = lowerCaseNames(options.headers ?? {})
  const secret = authorization === undefined ? undefined : new Secret(authorization)
  // Any of them may be a key.
  const headers = new Secret(others)
  const secrets = [...(secret ? [secret] : []), ...Object.values(others).map((value) => new Secret(value))]
  const usedCredentials = options.headers !== undefined || target.search !== ''
  const trust = new Map<string, TlsTrust>([[target.host, { insecure, ca }]])
  const http = new HttpClient({ clock, trust })
  const gates = registries?.hostGates ?? new HostGates(clock)
  const random = seededRandom()
  const ranges = new HostRanges(clock)

  async function ask(
    rangeHeaders: Readonly<Record<string, string>>,
    habits: RangeHabits,
    waits: WaitOptions,
  ): Promise<RangeAnswer> {
    const release = await gates.of(target.host).queue.enter(waits)
    try {
      const response = await http.send({
        url: target,
        headers: { ...headers.reveal(), ...rangeHeaders },
        authorization: secret,
        onRedirect: (answer) => void gates.heard(target.host, answer),
        signal: waits.signal,
      })
      const { status } = response
      const retryAfterMs = gates.heard(target.host, response)
      if (status === 200 || status === 206) {
        void response.closed.then(release)
        return {
          response,
          usedCredentials,
          askedRange: 'range' in rangeHeaders,
          habits,
          failed() {},
        }
      }
      const body = await response.errorBody()
      throw refusalError(
        { status, retryAfterMs, body, secrets },
        printUrl(target),
      )
    } catch (error) {
      release()
      throw error
    }
  }

  return {
    name: `${target.host}${target.pathname}`,
    hosts: [target.host],
    async read(range, { signal, onWait } = {}) {
      signal?.throwIfAborted()
      const waits = { signal, onWait: growingWaits(clock, onWait) }
      const habits = new RangeHabits(ranges)
      // There is one server: when it is too slow, waiting for it again does not help.
      const retries = new Retries(
        { clock, random, ...waits },
        (failure) => failure.code === 'ERR_ORIGIN_TIMEOUT' || isConnectTimeout(failure),
      )
      return readRange({
        range,
        retries,
        open: (offset, end) => ask(habits.headersFor(offset, end, undefined), habits, waits),
      })
    },
  }
}

/**
 * Reads the address of a web origin.
 * @throws {@link RequestError} `ERR_REQUEST_OPTION`
 */
export function parseTarget(text: string | URL): URL {
  const url = URL.parse(String(text))
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new RequestError(
      'ERR_REQUEST_OPTION',
      'the address of a web origin begins with https:// or http://',
    )
  }
  if (url.username || url.password) {
    throw new RequestError(
      'ERR_REQUEST_OPTION',
      `${printUrl(url)}: give user name and password as an authorization header`,
    )
  }
  return url
}

function lowerCaseNames(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  )
}
