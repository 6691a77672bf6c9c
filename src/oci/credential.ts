import { createHash } from 'node:crypto'
import type { AbortOptions } from '../core/options.ts'
import { Secret } from '../core/secret.ts'

/**
 * What proves to a registry who we are: a user name with a password (or a token that stands in for one), an identity
 * token that the registry's token service exchanges for tokens (OAuth2), or a token that the registry takes as it is.
 * @public
 */
export type RegistryAuth =
  | { readonly username: string; readonly password: string }
  | { readonly identityToken: string }
  | { readonly registryToken: string }

/**
 * For what credentials are needed.
 * @public
 */
export interface CredentialTarget {
  /** As in references: `docker.io`, `localhost:5000`. For a mirror, its own host. */
  readonly registry: string
  readonly repository: string
}

/**
 * Finds credentials; asked only after a registry has refused to answer without. `undefined` means to go on as nobody.
 * @public
 */
export type CredentialProvider = (
  target: CredentialTarget,
  options: AbortOptions,
) => Promise<RegistryAuth | undefined>

/** Credentials in hand. */
export interface Credential {
  readonly kind: 'password' | 'identity' | 'registry'
  /** Empty but for `password`. */
  readonly username: string
  readonly secret: Secret
  /** Equal for equal credentials; says nothing about them. */
  readonly id: string
}

/** Puts credentials out of sight as soon as they enter. */
export function credentialOf(auth: RegistryAuth): Credential {
  const [kind, username, text] = partsOf(auth)
  const id = createHash('sha256')
    .update(JSON.stringify([kind, username, text]))
    .digest('base64url')
  return { kind, username, secret: new Secret(text), id }
}

/** The `Authorization` header of a user name and password. */
export function basicAuthorization(credential: Credential): Secret {
  const pair = `${credential.username}:${credential.secret.reveal()}`
  return new Secret(`Basic ${Buffer.from(pair, 'utf8').toString('base64')}`)
}

/** Everything that gives a credential away. */
export function secretsOf(credential: Credential): Secret[] {
  return [credential.secret, basicAuthorization(credential)]
}

function partsOf(auth: RegistryAuth): [kind: Credential['kind'], username: string, text: string] {
  if ('registryToken' in auth) return ['registry', '', auth.registryToken]
  if ('identityToken' in auth) return ['identity', '', auth.identityToken]
  return ['password', auth.username, auth.password]
}
