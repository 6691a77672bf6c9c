import { OriginError } from '../core/errors.ts'
import { parseChallenges } from './auth-challenge.ts'
import { secretsOf } from './credential.ts'
import { refusalError } from './distribution-error.ts'
import type { GatedHost, HostGates } from './host-gates.ts'
import type { HttpClient } from './http-client.ts'
import type { HttpResponse } from './http-response.ts'
import type { Authorization, AuthTarget, RegistryAuthorizer } from './registry-authorizer.ts'
import type { WaitOptions } from './wait-options.ts'

/** How often one request comes back with something better after it was refused. */
const maxAuthRounds = 2

/** A GET below `/v2/<repository>/`. */
export interface EndpointRequest extends AuthTarget, WaitOptions {
  /** `manifests/latest`, `blobs/sha256:…`. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

/** An answer of status 200 or 206, and what it took. */
export interface EndpointAnswer {
  readonly response: HttpResponse
  readonly usedCredentials: boolean
}

/** What an endpoint consists of. */
export interface EndpointInit {
  /** Below which `/v2/` is. */
  readonly url: URL
  /** Of a mirror: the registry that it stands in for. */
  readonly mirrorOf: string | undefined
  readonly gates: HostGates
  readonly http: HttpClient
  readonly auth: RegistryAuthorizer
  /** Sent along with each request. */
  readonly headers?: (() => Readonly<Record<string, string>>) | undefined
}

/** One server that has what a registry has: the registry itself, or a mirror. All requests to it come through here. */
export class RegistryEndpoint {
  readonly #init: EndpointInit

  constructor(init: EndpointInit) {
    this.#init = init
  }

  /** Host, with a port where it is not the scheme's. */
  get name(): string {
    return this.#init.url.host
  }

  /**
   * Asks when it is our turn, with credentials only where nothing else lets us in. The turn lasts until the body of
   * the answer has ended.
   *
   * @throws {@link OriginError} for every status but 200 and 206, and when there is no answer
   */
  async send(request: EndpointRequest): Promise<EndpointAnswer> {
    const { gates } = this.#init
    const host = gates.of(this.name)
    const release = await host.queue.enter(request)
    const waitMs = host.breaker.admit(gates.clock.monotonicMs())
    if (waitMs > 0) {
      release()
      throw this.#down(waitMs)
    }
    try {
      const { response, authorization } = await this.#sendAuthorized(request, host)
      // What was refused on the way was refused to somebody who showed less, and says nothing about who was let in.
      const retryAfterMs = gates.heard(this.name, response)
      if (response.status !== 200 && response.status !== 206) {
        throw await this.#refusal(response, retryAfterMs, request, authorization)
      }
      host.breaker.succeeded()
      void response.closed.then(release)
      return { response, usedCredentials: authorization?.credential !== undefined }
    } catch (error) {
      release()
      this.#noteFailure(error, host)
      throw error
    }
  }

  /**
   * What it asks of somebody who shows nothing: its `WWW-Authenticate` headers, none where it lets him in.
   * @param path - below `/v2/`
   */
  async challenges(path: string, options: WaitOptions): Promise<readonly string[]> {
    const { gates, http, url } = this.#init
    const release = await gates.of(this.name).queue.enter(options)
    try {
      const target = new URL(`${url.pathname.replace(/\/$/, '')}/v2/${path}`, url)
      const response = await http.send({ url: target, headers: { range: 'bytes=0-0' }, signal: options.signal })
      await response.discard()
      return response.status === 401 ? challengesOf(response, url) : []
    } finally {
      release()
    }
  }

  async #sendAuthorized(
    request: EndpointRequest,
    { queue }: GatedHost,
  ): Promise<{ response: HttpResponse; authorization: Authorization | undefined }> {
    const { http, auth, gates, headers: more } = this.#init
    const url = this.#urlOf(request)
    const { headers, signal } = request
    let authorization = await auth.authorization(request)
    for (let round = 0; ; round++) {
      // The door may have closed while a token was on its way.
      await queue.pass(request)
      const response = await http.send({
        url,
        headers: { ...more?.(), ...headers },
        authorization: authorization?.header,
        onRedirect: (answer) => void gates.heard(this.name, answer),
        signal,
      })
      if (response.status < 400 || round === maxAuthRounds) return { response, authorization }
      const refusal = { status: response.status, challenges: parseChallenges(challengesOf(response, url)) }
      const next = await auth.answer(refusal, authorization, request).catch((error: unknown) => {
        response.destroy()
        throw error
      })
      if (!next) return { response, authorization }
      await response.discard()
      authorization = next
    }
  }

  #urlOf({ repository, path }: EndpointRequest): URL {
    const { url, mirrorOf } = this.#init
    const target = new URL(`${url.pathname.replace(/\/$/, '')}/v2/${repository}/${path}`, url)
    // Mirrors of several registries tell them apart by this, as containerd taught them.
    if (mirrorOf !== undefined) target.searchParams.set('ns', mirrorOf)
    return target
  }

  async #refusal(
    response: HttpResponse,
    retryAfterMs: number | undefined,
    { repository, path }: EndpointRequest,
    authorization: Authorization | undefined,
  ): Promise<OriginError> {
    const { status } = response
    const body = await response.errorBody()
    const { header, credential } = authorization ?? {}
    const secrets = [...(header ? [header] : []), ...(credential ? secretsOf(credential) : [])]
    return refusalError(
      { status, retryAfterMs, body, secrets },
      `${this.name}: ${repository} ${path}`,
    )
  }

  #noteFailure(error: unknown, { breaker }: GatedHost): void {
    // What is no answer at all (an aborted caller) says nothing.
    if (!(error instanceof OriginError)) return breaker.abandoned()
    const isDown = error.code === 'ERR_ORIGIN_UNAVAILABLE' || error.code === 'ERR_ORIGIN_TIMEOUT'
    if (isDown) breaker.failed(this.#init.gates.clock.monotonicMs())
    else breaker.succeeded()
  }

  #down(waitMs: number): OriginError {
    return new OriginError(
      'ERR_ORIGIN_UNAVAILABLE',
      `${this.name} fails again and again, and is left alone for ${Math.ceil(waitMs / 1000)} s`,
      { retryAfterMs: waitMs },
    )
  }
}

/** Whoever a request was redirected to has no say in how anybody shows himself to who was asked. */
function challengesOf(response: HttpResponse, { origin }: URL): readonly string[] {
  return response.url.origin === origin ? response.headers('www-authenticate') : []
}
