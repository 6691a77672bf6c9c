import { OriginError } from '../core/errors.ts'
import { isAddress } from './address-scope.ts'
import { printUrl } from './redirect-policy.ts'

/** Token services that are known to be run by whoever runs the registry, by the registry's host. */
const knownRealms: ReadonlyMap<string, string> = new Map([
  ['registry-1.docker.io', 'auth.docker.io'],
  ['registry.gitlab.com', 'gitlab.com'],
])

/** The registry that names a realm. */
export interface RealmAsker {
  readonly url: URL
  /** Whether it may use plain HTTP. */
  readonly insecure: boolean
  /** Hosts, with a port where one is not the scheme's, that may get this registry's credentials. */
  readonly trustedRealms: readonly string[]
}

/** Where to ask for a token, and how far to trust the place. */
export interface Realm {
  readonly url: URL
  /** Otherwise it may be asked for an anonymous token, and nothing else. */
  readonly trusted: boolean
}

/**
 * Judges the `realm` of a Bearer challenge. A registry chooses it freely, so it could be used to make us knock on
 * doors inside our network, or to collect credentials.
 *
 * There is no "same domain" rule: under the domains of cloud providers tenants are neighbours.
 *
 * @throws {@link OriginError} `ERR_ORIGIN_REALM`
 */
export function judgeRealm(realm: string | undefined, asker: RealmAsker): Realm {
  const url = realm === undefined ? null : URL.parse(realm)
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw badRealm(asker, 'something that is not a web address')
  }
  if (url.username || url.password) throw badRealm(asker, 'an address with a user name in it')
  const plainAllowed = asker.insecure && asker.url.protocol === 'http:'
  if (url.protocol === 'http:' && !plainAllowed) {
    throw badRealm(asker, `${printUrl(url)}, which is plain HTTP`)
  }
  const trusted =
    url.host === asker.url.host ||
    knownRealms.get(asker.url.host) === url.host ||
    asker.trustedRealms.includes(url.host)
  if (!trusted && isAddress(url.hostname) && url.hostname !== asker.url.hostname) {
    throw badRealm(asker, `${printUrl(url)}, an address that is not its own`)
  }
  return { url, trusted }
}

function badRealm(asker: RealmAsker, what: string): OriginError {
  return new OriginError(
    'ERR_ORIGIN_REALM',
    `${asker.url.host} sends us for a token to ${what}; if that is right, name it in trustedRealms`,
  )
}
