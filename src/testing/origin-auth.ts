import { randomBytes } from 'node:crypto'
import type { Clock } from '../core/clock.ts'

/**
 * Whom an {@link EmbeddedOrigin} lets in: with a password, or with tokens that its own service at `/token` gives out.
 * @public
 */
export interface OriginAuth {
  scheme: 'basic' | 'bearer'
  username: string
  password: string
  /** Accepted by the token service in place of user name and password. */
  identityToken?: string | undefined
  /** Repositories that anybody may pull. @defaultValue none */
  publicRepositories?: readonly string[] | undefined
  /** What the token service says, in seconds; tokens live that long. @defaultValue 300 */
  expiresInSeconds?: number | undefined
}

/** What the token service answers. */
export interface TokenAnswer {
  readonly status: number
  readonly body: string
}

/** Checks requests of an origin, and gives out its tokens. */
export class OriginGate {
  readonly #auth: OriginAuth
  readonly #clock: Clock
  readonly #tokens = new Map<string, { readonly full: boolean; readonly expiresMs: number }>()

  constructor(auth: OriginAuth, clock: Clock) {
    this.#auth = auth
    this.#clock = clock
  }

  admits(repository: string, authorization: string | undefined): boolean {
    const isPublic = this.#auth.publicRepositories?.includes(repository) ?? false
    if (this.#auth.scheme === 'basic') return isPublic || authorization === this.#basic
    const token = this.#tokens.get(authorization?.replace(/^Bearer /, '') ?? '')
    return (
      token !== undefined && token.expiresMs > this.#clock.monotonicMs() && (token.full || isPublic)
    )
  }

  challenge(url: string, repository: string): string {
    if (this.#auth.scheme === 'basic') return 'Basic realm="embedded"'
    return `Bearer realm="${url}/token",service="embedded",scope="repository:${repository}:pull"`
  }

  /** Answers a token request: nobody gets a token that opens the public repositories, the user one that opens all. */
  token(authorization: string | undefined, form: URLSearchParams): TokenAnswer {
    const { identityToken, expiresInSeconds = 300 } = this.#auth
    const refreshToken = form.get('refresh_token')
    const byIdentity = refreshToken !== null && refreshToken === identityToken
    const anonymous = authorization === undefined && refreshToken === null
    if (!anonymous && !byIdentity && authorization !== this.#basic) {
      return {
        status: 401,
        body: JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'wrong password' }] }),
      }
    }
    const token = randomBytes(24).toString('base64url')
    const expiresMs = this.#clock.monotonicMs() + expiresInSeconds * 1000
    this.#tokens.set(token, { full: !anonymous, expiresMs })
    return { status: 200, body: JSON.stringify({ token, expires_in: expiresInSeconds }) }
  }

  get #basic(): string {
    const { username, password } = this.#auth
    return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  }
}
