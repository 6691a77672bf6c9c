import { OriginError } from '../core/errors.ts'
import type { AuthChallenge } from './auth-challenge.ts'
import {
  basicAuthorization,
  credentialOf,
  type Credential,
  type CredentialProvider,
} from './credential.ts'
import { LruMap } from '../core/lru-map.ts'
import { judgeRealm, type RealmAsker } from './realm-policy.ts'
import { Secret } from '../core/secret.ts'
import type { TokenRequest, TokenSource } from './token-source.ts'
import type { WaitOptions } from './wait-options.ts'

const maxRepositories = 1000
const maxParameterLength = 1024
/** What registries answer when somebody who is nobody asks for what he may not have, or too often. */
const refusalsOfNobody: ReadonlySet<number> = new Set([401, 403, 404, 429])

/** A header that was or will be sent. */
export interface Authorization {
  readonly header: Secret
  /** What it was made from; none for a token that anybody gets. */
  readonly credential: Credential | undefined
}

/** For what to be let in. */
export interface AuthTarget extends WaitOptions {
  readonly repository: string
}

/** An answer that did not let us in. */
export interface AuthRefusal {
  readonly status: number
  readonly challenges: readonly AuthChallenge[]
}

/** Who asks to be let in. */
export interface RegistryAuthorizerInit extends RealmAsker {
  /** As in references. */
  readonly registry: string
  readonly credentials: CredentialProvider
  readonly tokens: TokenSource
}

/** How a repository lets us in. */
type Entrance =
  | { readonly kind: 'header'; readonly authorization: Authorization }
  | { readonly kind: 'token'; readonly request: TokenRequest }

/**
 * Gets us into the repositories of one registry, with as little as they take: nothing, then a token that anybody
 * gets, and credentials only when that was not enough. So what was had without credentials is known to be public.
 */
export class RegistryAuthorizer {
  readonly #init: RegistryAuthorizerInit
  readonly #entrances = new LruMap<string, Entrance>(maxRepositories)

  constructor(init: RegistryAuthorizerInit) {
    this.#init = init
  }

  /** What to send at first: what let us in the last time. */
  async authorization(target: AuthTarget): Promise<Authorization | undefined> {
    const entrance = this.#entrances.get(target.repository)
    return entrance && this.#open(entrance, undefined, target)
  }

  /**
   * What to send after having been refused; `undefined` when there is nothing that might help.
   *
   * @param rejected - what was sent, if anything
   * @throws {@link OriginError} `ERR_ORIGIN_REALM` when the registry wants our credentials to go where they must not;
   * as the token service fails otherwise
   */
  async answer(
    refusal: AuthRefusal,
    rejected: Authorization | undefined,
    target: AuthTarget,
  ): Promise<Authorization | undefined> {
    if (!refusalsOfNobody.has(refusal.status)) return undefined
    const known = this.#entrances.get(target.repository)
    // Another request has got in meanwhile, by showing more than this one did.
    if (known && (!rejected || (!rejected.credential && credentialOfEntrance(known)))) {
      return this.#open(known, undefined, target)
    }
    if (!rejected) {
      return refusal.status === 401 ? this.#asNobody(refusal.challenges, target) : undefined
    }
    if (!rejected.credential) return this.#asUser(refusal, known, target)
    // A header is what it is; a token may have been taken back, and another one may do.
    return refusal.status === 401 && known?.kind === 'token'
      ? this.#open(known, rejected.header, target)
      : undefined
  }

  async #asNobody(
    challenges: readonly AuthChallenge[],
    target: AuthTarget,
  ): Promise<Authorization | undefined> {
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer')
    if (!bearer) return this.#asUser({ status: 401, challenges }, undefined, target)
    try {
      return await this.#enter(
        { kind: 'token', request: this.#tokenRequest(bearer, target) },
        target,
      )
    } catch (failure) {
      if (!(failure instanceof OriginError) || failure.retryable) throw failure
      const authorization = await this.#asUser({ status: 401, challenges }, undefined, target)
      if (authorization) return authorization
      throw failure
    }
  }

  async #asUser(
    { status, challenges }: AuthRefusal,
    known: Entrance | undefined,
    target: AuthTarget,
  ): Promise<Authorization | undefined> {
    const { registry, credentials } = this.#init
    const { repository, signal } = target
    const auth = await credentials({ registry, repository }, { signal })
    if (!auth) return undefined
    const credential = credentialOf(auth)
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer')
    if (credential.kind === 'registry' && (bearer || known)) {
      const header = new Secret(`Bearer ${credential.secret.reveal()}`)
      return this.#enter({ kind: 'header', authorization: { header, credential } }, target)
    }
    if (credential.kind === 'password' && challenges.some(({ scheme }) => scheme === 'basic')) {
      const header = basicAuthorization(credential)
      return this.#enter({ kind: 'header', authorization: { header, credential } }, target)
    }
    const request = bearer
      ? this.#tokenRequest(bearer, target)
      : known?.kind === 'token'
        ? known.request
        : undefined
    if (!request) return undefined
    if (request.realm.trusted) {
      return this.#enter({ kind: 'token', request: { ...request, credential } }, target)
    }
    if (status === 401 || status === 403) throw this.#untrusted(request)
    return undefined
  }

  #tokenRequest({ parameters }: AuthChallenge, { repository }: AuthTarget): TokenRequest {
    const realm = judgeRealm(parameters.get('realm'), this.#init)
    const scope = (parameters.get('scope') ?? `repository:${repository}:pull`).slice(
      0,
      maxParameterLength,
    )
    const service = parameters.get('service')?.slice(0, maxParameterLength)
    return { realm, service, scope, credential: undefined }
  }

  /** Remembers an entrance when it opens. */
  async #enter(entrance: Entrance, target: AuthTarget): Promise<Authorization> {
    const authorization = await this.#open(entrance, undefined, target)
    this.#entrances.set(target.repository, entrance)
    return authorization
  }

  async #open(
    entrance: Entrance,
    rejected: Secret | undefined,
    target: AuthTarget,
  ): Promise<Authorization> {
    if (entrance.kind === 'header') return entrance.authorization
    const header = await this.#init.tokens.authorization(entrance.request, rejected, target)
    return { header, credential: entrance.request.credential }
  }

  #untrusted({ realm }: TokenRequest): OriginError {
    const { registry } = this.#init
    return new OriginError(
      'ERR_ORIGIN_REALM',
      `${registry} wants our credentials to go to ${realm.url.host}, which may not be its own; ` +
        `if it is, name it in trustedRealms of ${registry}`,
    )
  }
}

function credentialOfEntrance(entrance: Entrance): Credential | undefined {
  return entrance.kind === 'header'
    ? entrance.authorization.credential
    : entrance.request.credential
}
