import { Agent, type Dispatcher } from 'undici'
import { systemClock, type Clock } from '../core/clock.ts'
import { OriginError } from '../core/errors.ts'
import { LruMap } from '../core/lru-map.ts'
import { addressScope, mayLead, type AddressScope } from './address-scope.ts'
import { createConnector, type Lookup, type TlsTrust } from './connector.ts'
import { HttpResponse } from './http-response.ts'
import { requestError } from './network-error.ts'
import { followRedirect, printUrl, type Hop } from './redirect-policy.ts'
import type { Secret } from '../core/secret.ts'

const maxHeaderBytes = 32 * 1024
/** From the request to the end of the answer's headers, connecting included; in milliseconds. */
const headersTimeoutMs = 30_000
/** Interim answers (1xx) before the real one; more are a way to keep us waiting. */
const maxInterimAnswers = 8
/** Hosts whose place (inside or outside our network) is remembered. */
const maxKnownScopes = 1000

/** One request, sent without credentials unless they are given. */
export interface HttpRequest {
  readonly url: URL
  /** Lower-case names. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** The `Authorization` header. */
  readonly authorization?: Secret | undefined
  /** Makes it a POST of this form, which is not redirected. */
  readonly form?: Secret | undefined
  /** Somebody else chose the address: refuse it when it is inside our machine or network. */
  readonly onlyPublic?: boolean | undefined
  /** Shown every answer that leads elsewhere, before it is followed. */
  readonly onRedirect?: ((answer: HttpResponse) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Settings of {@link HttpClient}. */
export interface HttpClientInit {
  clock?: Clock | undefined
  /**
   * How hosts (with their port, where it is not the scheme's) prove themselves; others do so by the system's
   * certificates.
   */
  trust?: ReadonlyMap<string, TlsTrust> | undefined
  /** @defaultValue what the address registries say */
  scopeOf?: ((address: string) => AddressScope) | undefined
  /** @defaultValue the system's name service */
  lookup?: Lookup | undefined
}

/**
 * HTTP as a client of strangers needs it: nothing is decoded, nothing is unbounded, and redirects neither carry
 * credentials away nor lead from the public network into ours.
 */
export class HttpClient {
  readonly #clock: Clock
  readonly #makeAgent: (guards: readonly AddressScope[]) => Agent
  /** By whom requests may have been led: connections that one of them may not make are not shared. */
  readonly #agents = new Map<string, Agent>()
  /** Where the hosts are that were connected to, by origin; the one that was asked longest ago is forgotten. */
  readonly #scopes = new LruMap<string, readonly AddressScope[]>(maxKnownScopes)
  #closed = false

  constructor(init: HttpClientInit = {}) {
    const { clock = systemClock, trust = new Map(), scopeOf = addressScope, lookup } = init
    this.#clock = clock
    this.#makeAgent = (guards) =>
      new Agent({
        allowH2: false,
        // Our own timers watch: they follow the clock, and the body's watch knows who is waiting for whom.
        headersTimeout: 0,
        bodyTimeout: 0,
        maxHeaderSize: maxHeaderBytes,
        connect: createConnector({
          clock,
          trustOf: (host) => trust.get(host),
          allows: (address) => guards.every((from) => mayLead(from, scopeOf(address))),
          connected: (origin, address) => this.#remember(origin, scopeOf(address)),
          lookup,
        }),
      })
  }

  /**
   * Sends a GET, or a POST when there is a form, and follows redirects. Any status is an answer.
   *
   * @throws {@link OriginError} `ERR_ORIGIN_UNAVAILABLE`, `ERR_ORIGIN_TIMEOUT`, `ERR_ORIGIN_REDIRECT`, or
   * `ERR_ORIGIN_ENCODING` when the body is encoded although we asked for it as it is
   */
  async send(request: HttpRequest): Promise<HttpResponse> {
    const { form, signal } = request
    let hop: Hop = {
      url: request.url,
      headers: { 'user-agent': 'damselfly', ...request.headers, 'accept-encoding': 'identity' },
      authorization: request.authorization,
      redirects: 0,
    }
    // Who chose where we go next: all hosts that led us there.
    let guards: readonly AddressScope[] = request.onlyPublic ? ['public'] : []
    for (;;) {
      signal?.throwIfAborted()
      const response = await this.#dispatch(hop, form, this.#agent(guards), signal)
      if (!isRedirect(response.status)) return checkEncoding(response)
      request.onRedirect?.(response)
      await response.discard()
      if (form) {
        throw new OriginError(
          'ERR_ORIGIN_REDIRECT',
          `${printUrl(hop.url)} redirects a POST: not followed`,
        )
      }
      const next = followRedirect(hop, response.header('location'))
      if (next.url.origin !== hop.url.origin) guards = union(guards, this.#scopesOf(hop.url.origin))
      hop = next
    }
  }

  /** Breaks all connections; requests under way fail. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#agents.values()].map((agent) => agent.destroy()))
  }

  #agent(guards: readonly AddressScope[]): Agent {
    const key = guards.join()
    const agent = this.#agents.get(key) ?? this.#makeAgent(guards)
    this.#agents.set(key, agent)
    if (this.#closed) void agent.destroy()
    return agent
  }

  async #dispatch(
    hop: Hop,
    form: Secret | undefined,
    agent: Agent,
    signal?: AbortSignal,
  ): Promise<HttpResponse> {
    const { url, headers, authorization } = hop
    const stop = new AbortController()
    const onAbort = (): void => stop.abort(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    const cancelTimer = this.#clock.after(headersTimeoutMs, () => stop.abort(noAnswer(url)))
    let interimAnswers = 0
    const options: Dispatcher.RequestOptions = {
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: form ? 'POST' : 'GET',
      headers: {
        ...headers,
        ...(form && { 'content-type': 'application/x-www-form-urlencoded' }),
        ...(authorization && { authorization: authorization.reveal() }),
      },
      body: form?.reveal() ?? null,
      signal: stop.signal,
      onInfo: () => {
        if (++interimAnswers > maxInterimAnswers) stop.abort(noAnswer(url))
      },
    }
    try {
      const response = new HttpResponse(await agent.request(options), url, this.#clock, stop.signal)
      void response.closed.then(() => signal?.removeEventListener('abort', onAbort))
      return response
    } catch (error) {
      signal?.removeEventListener('abort', onAbort)
      stop.signal.throwIfAborted()
      throw requestError(error, url)
    } finally {
      cancelTimer()
    }
  }

  /** A name may have addresses of several kinds, one after the other: what it ever was, it counts as. */
  #remember(origin: string, scope: AddressScope): void {
    this.#scopes.set(origin, union(this.#scopes.get(origin) ?? [], [scope]))
  }

  /** A host of which we know nothing any more is a stranger. */
  #scopesOf(origin: string): readonly AddressScope[] {
    return this.#scopes.get(origin) ?? ['public']
  }
}

function union(some: readonly AddressScope[], others: readonly AddressScope[]): readonly AddressScope[] {
  return [...new Set([...some, ...others])].toSorted()
}

function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308
}

/** A bomb is only dangerous to who unpacks it. */
function checkEncoding(response: HttpResponse): HttpResponse {
  const encodings = response
    .headers('content-encoding')
    .filter((name) => name.toLowerCase() !== 'identity')
  if (encodings.length === 0 || response.status >= 300) return response
  response.destroy()
  const shown = encodings[0]?.slice(0, 100)
  throw new OriginError(
    'ERR_ORIGIN_ENCODING',
    `${printUrl(response.url)} encodes its answer (${shown}) although it was asked not to`,
  )
}

function noAnswer(url: URL): OriginError {
  return new OriginError(
    'ERR_ORIGIN_TIMEOUT',
    `${printUrl(url)} does not answer within ${headersTimeoutMs / 1000} s`,
  )
}
