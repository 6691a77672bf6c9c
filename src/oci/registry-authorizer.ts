import { OriginError } from '../core/errors.ts'
import type { AbortOptions } from '../core/options.ts'
import type { AuthChallenge } from './auth-challenge.ts'
import { basicAuthorization, credentialOf, type Credential, type CredentialProvider } from './credential.ts'
import { LruMap } from './lru-map.ts'
import { judgeRealm, type RealmAsker } from './realm-policy.ts'
import { Secret } from './secret.ts'
import type { TokenRequest, TokenSource } from './token-source.ts'

const maxRepositories = 1000
const maxScopeLength = 1024

/** A header that was or will be sent. */
export interface Authorization {
  readonly header: Secret
  /** What it was made from; none for a token that anybody gets. */
  readonly credential: Credential | undefined
}

/** For what to be let in. */
export interface AuthTarget extends AbortOptions {
  readonly repository: string
  /** Never use credentials: to see what anybody sees. */
  readonly anonymous: boolean
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
  /** `untrusted`: there are credentials, but the realm is not one that may have them. */
  | { readonly kind: 'token'; readonly request: TokenRequest; readonly untrusted: boolean }

/** Gets us into the repositories of one registry: without credentials as long as nobody asks. */
export class RegistryAuthorizer {
  readonly #init: RegistryAuthorizerInit
  readonly #entrances = new LruMap<string, Entrance>(maxRepositories)

  constructor(init: RegistryAuthorizerInit) {
    this.#init = init
  }

  /** What to send at first: nothing, unless the repository asked for something before. */
  async authorization(target: AuthTarget): Promise<Authorization | undefined> {
    const entrance = this.#entrances.get(keyOf(target))
    return entrance && this.#open(entrance, undefined, target)
  }

  /**
   * What to send after a 401.
   *
   * @param rejected - what was sent, if anything
   * @throws {@link OriginError} `ERR_ORIGIN_AUTH` when there is nothing that would help, `ERR_ORIGIN_REALM` when credentials are asked for at a
   * place that must not have them
   */
  async answer(
    challenges: readonly AuthChallenge[],
    rejected: Authorization | undefined,
    target: AuthTarget,
  ): Promise<Authorization> {
    const before = this.#entrances.get(keyOf(target))
    if (rejected && before?.kind === 'token' && before.untrusted) throw this.#untrusted(before.request)
    const entrance = await this.#entrance(challenges, target)
    const authorization = await this.#open(entrance, rejected, target)
    if (rejected && authorization.header.reveal() === rejected.header.reveal()) throw this.#refused(target)
    this.#entrances.set(keyOf(target), entrance)
    return authorization
  }

  async #entrance(challenges: readonly AuthChallenge[], target: AuthTarget): Promise<Entrance> {
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer')
    const basic = challenges.some(({ scheme }) => scheme === 'basic')
    const credential = target.anonymous ? undefined : await this.#credential(target)
    if (bearer && credential?.kind === 'registry') {
      const header = new Secret(`Bearer ${credential.secret.reveal()}`)
      return { kind: 'header', authorization: { header, credential } }
    }
    if (bearer) return this.#tokenEntrance(bearer, credential, target.repository)
    if (!basic || credential?.kind !== 'password') throw this.#refused(target)
    return { kind: 'header', authorization: { header: basicAuthorization(credential), credential } }
  }

  #tokenEntrance({ parameters }: AuthChallenge, credential: Credential | undefined, repository: string): Entrance {
    const realm = judgeRealm(parameters.get('realm'), this.#init)
    const scope = (parameters.get('scope') ?? `repository:${repository}:pull`).slice(0, maxScopeLength)
    const service = parameters.get('service')?.slice(0, maxScopeLength)
    const request = { realm, service, scope, credential: realm.trusted ? credential : undefined }
    return { kind: 'token', request, untrusted: credential !== undefined && !realm.trusted }
  }

  async #open(entrance: Entrance, rejected: Authorization | undefined, target: AuthTarget): Promise<Authorization> {
    if (entrance.kind === 'header') return entrance.authorization
    const { request, untrusted } = entrance
    try {
      const header = await this.#init.tokens.authorization(request, rejected?.header, target.signal)
      return { header, credential: request.credential }
    } catch (error) {
      if (untrusted && error instanceof OriginError && error.code === 'ERR_ORIGIN_AUTH') throw this.#untrusted(request)
      throw error
    }
  }

  async #credential({ repository, signal }: AuthTarget): Promise<Credential | undefined> {
    const auth = await this.#init.credentials({ registry: this.#init.registry, repository }, { signal })
    return auth && credentialOf(auth)
  }

  #refused({ repository, anonymous }: AuthTarget): OriginError {
    const advice = anonymous ? 'it is not public' : 'log in (docker login, podman login) or pass credentials'
    return new OriginError('ERR_ORIGIN_AUTH', `${this.#init.registry} does not let us pull ${repository}: ${advice}`, {
      status: 401,
    })
  }

  #untrusted({ realm }: TokenRequest): OriginError {
    const { registry } = this.#init
    return new OriginError(
      'ERR_ORIGIN_REALM',
      `${registry} wants our credentials to go to ${realm.url.host}, which is not known to belong to it; ` +
        `if it does, name it in trustedRealms of ${registry}`,
    )
  }
}

function keyOf({ repository, anonymous }: AuthTarget): string {
  return `${anonymous ? 'anonymous' : 'any'} ${repository}`
}
