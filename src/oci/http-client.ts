import { Agent, type Dispatcher } from 'undici'
import { systemClock, type Clock } from '../core/clock.ts'
import { OriginError } from '../core/errors.ts'
import { addressScope, type AddressScope } from './address-scope.ts'
import { createConnector, type TlsTrust } from './connector.ts'
import { HttpResponse } from './http-response.ts'
import { requestError } from './network-error.ts'
import { followRedirect, printUrl, type Hop } from './redirect-policy.ts'
import type { Secret } from './secret.ts'

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
}

/**
 * HTTP as a client of strangers needs it: nothing is decoded, nothing is unbounded, and redirects neither carry
 * credentials away nor lead from the public network into ours.
 */
export class HttpClient {
  readonly #clock: Clock
  readonly #open: Agent
  readonly #guarded: Agent
  /** Where the hosts are that were connected to, by origin; the oldest is forgotten. */
  readonly #scopes = new Map<string, AddressScope>()

  constructor(init: HttpClientInit = {}) {
    const { clock = systemClock, trust = new Map(), scopeOf = addressScope } = init
    this.#clock = clock
    const agent = (onlyPublic: typeof scopeOf | undefined): Agent =>
      new Agent({
        allowH2: false,
        // Our own timers watch: they follow the clock, and the body's watch knows who is waiting for whom.
        headersTimeout: 0,
        bodyTimeout: 0,
        maxHeaderSize: maxHeaderBytes,
        connect: createConnector({
          trustOf: (host) => trust.get(host),
          connected: (origin, address) => this.#remember(origin, scopeOf(address)),
          onlyPublic,
        }),
      })
    this.#open = agent(undefined)
    this.#guarded = agent(scopeOf)
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
    let guarded = request.onlyPublic ?? false
    for (;;) {
      signal?.throwIfAborted()
      const response = await this.#dispatch(hop, form, guarded ? this.#guarded : this.#open, signal)
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
      if (next.url.origin !== hop.url.origin) {
        guarded ||= this.#scopes.get(hop.url.origin) === 'public'
      }
      hop = next
    }
  }

  /** Breaks all connections; requests under way fail. */
  async close(): Promise<void> {
    await Promise.all([this.#open.destroy(), this.#guarded.destroy()])
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

  #remember(origin: string, scope: AddressScope): void {
    this.#scopes.delete(origin)
    this.#scopes.set(origin, scope)
    const [oldest] = this.#scopes.keys()
    if (this.#scopes.size > maxKnownScopes && oldest !== undefined) this.#scopes.delete(oldest)
  }
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
