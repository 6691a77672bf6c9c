import { OriginError } from '../core/errors.ts'
import { SharedAttempts } from '../core/shared-attempts.ts'
import { basicAuthorization, secretsOf, type Credential } from './credential.ts'
import { refusalError } from './distribution-error.ts'
import type { HostGates } from './host-gates.ts'
import type { HttpClient } from './http-client.ts'
import type { HttpResponse } from './http-response.ts'
import { parseJsonObject } from './json.ts'
import { LruMap } from '../core/lru-map.ts'
import type { Realm } from './realm-policy.ts'
import { Secret } from '../core/secret.ts'
import type { WaitOptions } from './wait-options.ts'

const maxTokenBytes = 256 * 1024
const maxTokens = 1000
/**
 * Lifetimes in seconds. Shorter ones than the first are not meant, says the specification; longer ones than the last
 * are not believed.
 */
const minLifeSeconds = 60
const maxLifeSeconds = 3600
/** Tokens are given up this much earlier, in seconds, so that none runs out on its way. */
const marginSeconds = 30

/** What a token is wanted for. */
export interface TokenRequest {
  readonly realm: Realm
  readonly service: string | undefined
  readonly scope: string
  /** Given only to a realm that is trusted; without it, the token is nobody's. */
  readonly credential: Credential | undefined
}

interface HeldToken {
  readonly header: Secret
  readonly expiresMs: number
}

/**
 * Gets tokens from the token service of a registry and keeps them while they last, one for each repository, scope and
 * credential.
 * @see {@link https://distribution.github.io/distribution/spec/auth/token/}
 * @see {@link https://distribution.github.io/distribution/spec/auth/oauth/}
 */
export class TokenSource {
  readonly #http: HttpClient
  readonly #gates: HostGates
  readonly #held = new LruMap<string, HeldToken>(maxTokens)
  readonly #asking = new SharedAttempts<Secret>()

  constructor(http: HttpClient, gates: HostGates) {
    this.#http = http
    this.#gates = gates
  }

  /**
   * An `Authorization` header that should be accepted.
   *
   * @param rejected - a header of this source that was not; it is not given again
   * @throws {@link OriginError} `ERR_ORIGIN_AUTH` when the service refuses or talks nonsense; as its network fails
   * otherwise
   */
  async authorization(
    request: TokenRequest,
    rejected?: Secret,
    options: WaitOptions = {},
  ): Promise<Secret> {
    const { realm, service, scope, credential } = request
    const key = JSON.stringify([realm.url.href, service, scope, credential?.id])
    const held = this.#heldHeader(key, rejected)
    if (held) return held
    // Without a turn: whoever wants a token has one already, at a registry that may be the same host.
    await this.#gates.of(realm.url.host).queue.pass(options)
    const fetch = async (): Promise<Secret> => {
      const token = await this.#ask(request)
      this.#held.set(key, token)
      return token.header
    }
    // Another one may have got it meanwhile.
    return this.#heldHeader(key, rejected) ?? this.#asking.join(key, fetch, options.signal)
  }

  #heldHeader(key: string, rejected: Secret | undefined): Secret | undefined {
    const held = this.#held.get(key)
    const isGood = held?.header !== rejected && (held?.expiresMs ?? 0) > this.#nowMs
    return isGood ? held?.header : undefined
  }

  get #nowMs(): number {
    return this.#gates.clock.monotonicMs()
  }

  async #ask(request: TokenRequest): Promise<HeldToken> {
    const { realm } = request
    const askedMs = this.#nowMs
    const response = await this.#send(request)
    const retryAfterMs = this.#gates.heard(realm.url.host, response)
    if (response.status !== 200) throw await this.#refusal(response, retryAfterMs, request)
    const answer = parseTokenAnswer(await tokenBytes(response, realm.url))
    if (!answer) throw badToken(realm.url, 'its answer holds no token')
    const expiresMs = askedMs + (answer.lifeSeconds - marginSeconds) * 1000
    return { header: new Secret(`Bearer ${answer.token}`), expiresMs }
  }

  async #send({ realm, service, scope, credential }: TokenRequest): Promise<HttpResponse> {
    const onlyPublic = !realm.trusted
    const parameters = new URLSearchParams({ ...(service && { service }), scope })
    try {
      if (credential?.kind === 'identity') {
        parameters.set('grant_type', 'refresh_token')
        parameters.set('client_id', 'damselfly')
        parameters.set('refresh_token', credential.secret.reveal())
        return await this.#http.send({
          url: realm.url,
          form: new Secret(parameters.toString()),
          onlyPublic,
        })
      }
      const url = new URL(realm.url)
      for (const [name, value] of parameters) url.searchParams.append(name, value)
      const authorization = credential && basicAuthorization(credential)
      return await this.#http.send({ url, authorization, onlyPublic })
    } catch (error) {
      if (!(error instanceof OriginError) || error.code !== 'ERR_ORIGIN_REDIRECT') throw error
      throw new OriginError(
        'ERR_ORIGIN_REALM',
        `the token service ${realm.url.host} cannot be used: ${error.message}`,
        {
          cause: error,
        },
      )
    }
  }

  async #refusal(
    response: HttpResponse,
    retryAfterMs: number | undefined,
    { realm, credential }: TokenRequest,
  ): Promise<OriginError> {
    const body = await response.errorBody()
    const secrets = credential && secretsOf(credential)
    const answer = { status: response.status, retryAfterMs, body, secrets }
    const error = refusalError(answer, `token service ${realm.url.host}`)
    // Whatever a refused token is called, it means that we may not in.
    return error.retryable
      ? error
      : new OriginError('ERR_ORIGIN_AUTH', error.message, { status: error.status })
  }
}

async function tokenBytes(response: HttpResponse, url: URL): Promise<Uint8Array> {
  try {
    return await response.bytes(maxTokenBytes)
  } catch (error) {
    if (!(error instanceof OriginError) || error.code !== 'ERR_ORIGIN_SIZE') throw error
    throw badToken(url, 'its answer is too long', error)
  }
}

/** Reads the answer of a token service; `undefined` when it holds no token that fits into a header. */
export function parseTokenAnswer(body: Uint8Array): { token: string; lifeSeconds: number } | undefined {
  const json = parseJsonObject(body)
  const token = json?.['token'] ?? json?.['access_token']
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) return undefined
  return { token, lifeSeconds: lifeSeconds(json?.['expires_in']) }
}

function lifeSeconds(expiresIn: unknown): number {
  const said =
    typeof expiresIn === 'number' && Number.isFinite(expiresIn) ? expiresIn : minLifeSeconds
  return Math.min(Math.max(said, minLifeSeconds), maxLifeSeconds)
}

function badToken(url: URL, reason: string, cause?: unknown): OriginError {
  return new OriginError(
    'ERR_ORIGIN_AUTH',
    `the token service ${url.host} gives no token: ${reason}`,
    { cause },
  )
}
