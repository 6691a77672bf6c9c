import { X509Certificate } from 'node:crypto'
import { parseRegistry, registryHost } from '../core/reference.ts'
import { RequestError } from '../core/errors.ts'
import { Secret } from '../core/secret.ts'
import { quoted } from '../core/quoted.ts'
import type { TlsTrust } from './connector.ts'
import type { RegistryAuth } from './credential.ts'

/**
 * How to reach one registry, where the rule (HTTPS at the host of its name, as nobody or as the user's logins say)
 * does not fit.
 * @public
 */
export interface RegistryOptions {
  /** Where it answers, if not at its name: `https://registry.internal:8443`. */
  url?: string | undefined
  /**
   * Servers with the same content that are asked first, in this order. How to reach one of them is said in its own
   * entry.
   */
  mirrors?: readonly string[] | undefined
  /**
   * Allows plain HTTP, which is then used unless `url` says `https:`; and with HTTPS, any certificate. No host is
   * insecure unless you say so.
   */
  insecure?: boolean | undefined
  /** Certificates in PEM form that vouch for it, instead of the system's. */
  ca?: string | undefined
  /** Its credentials; asked for only when the registry does. */
  auth?: RegistryAuth | undefined
  /** Hosts of token services that may have its credentials: `auth.example`. Its own host may in any case. */
  trustedRealms?: readonly string[] | undefined
}

/** A registry's options, checked, with their defaults. */
export interface RegistrySettings {
  /** As in references. */
  readonly registry: string
  readonly url: URL
  readonly mirrors: readonly URL[]
  readonly insecure: boolean
  readonly ca: string | undefined
  readonly auth: Secret<RegistryAuth> | undefined
  readonly trustedRealms: readonly string[]
}

/** The settings of all registries. */
export class SettingsTable {
  readonly #byRegistry: ReadonlyMap<string, RegistrySettings>

  /** @throws {@link RequestError} `ERR_REQUEST_OPTION`, saying which entry is wrong and why */
  constructor(registries: Readonly<Record<string, RegistryOptions>>) {
    const all = Object.entries(registries).map(([name, options]) => resolveOptions(name, options))
    this.#byRegistry = new Map(all.map((settings) => [settings.registry, settings]))
    for (const { registry, mirrors } of all) {
      for (const url of mirrors) this.#checkMirror(registry, url)
    }
  }

  /** The settings of a registry, or of a mirror by its host. */
  of(registry: string): RegistrySettings {
    return this.#byRegistry.get(registry) ?? resolveOptions(registry, {})
  }

  /** How hosts prove themselves, by host as URLs have it. */
  get trust(): Map<string, TlsTrust> {
    const trust = new Map<string, TlsTrust>()
    for (const { ca, trustedRealms } of this.#byRegistry.values()) {
      // Who runs a registry with certificates of his own does so for its token service too.
      if (ca !== undefined) for (const realm of trustedRealms) trust.set(realm, { ca })
    }
    for (const { url, insecure, ca } of this.#byRegistry.values()) {
      trust.set(url.host, { insecure, ca })
    }
    return trust
  }

  #checkMirror(registry: string, url: URL): void {
    if (url.protocol === 'https:' || this.of(url.host).insecure) return
    throw badOption(
      registry,
      `its mirror ${url.origin} is plain HTTP: allow that with '${url.host}': { insecure: true }`,
    )
  }
}

function resolveOptions(name: string, options: RegistryOptions): RegistrySettings {
  const registry = parseRegistry(name)
  if (registry === undefined) throw badOption(name, 'its name is not a host with an optional port')
  const { insecure = false, ca, auth, mirrors = [], trustedRealms = [] } = options
  const url = parseUrl(
    registry,
    options.url ?? `${insecure ? 'http' : 'https'}://${registryHost({ registry })}`,
  )
  if (url.protocol === 'http:' && !insecure) {
    throw badOption(registry, `its url is plain HTTP: allow that with insecure: true`)
  }
  if (ca !== undefined) checkCertificate(registry, ca)
  return {
    registry,
    url,
    insecure,
    ca,
    auth: auth && new Secret(auth),
    trustedRealms: trustedRealms.map((realm) => parseHost(registry, realm)),
    mirrors: mirrors.map((mirror) => parseUrl(registry, mirror)),
  }
}

function parseUrl(registry: string, text: string): URL {
  const url = URL.parse(text)
  if (
    url &&
    (url.protocol === 'https:' || url.protocol === 'http:') &&
    !url.username &&
    !url.password &&
    !url.search &&
    !url.hash
  ) {
    return url
  }
  // Not the text itself: whoever puts a password into it should not read it in a log.
  throw badOption(
    registry,
    'an address of it is not of the form https://host, with nothing but a port and a path besides',
  )
}

function parseHost(registry: string, text: string): string {
  const url = URL.parse(`https://${text}`)
  if (!url || url.host !== text.toLowerCase()) {
    throw badOption(registry, 'an entry of trustedRealms is not a host with an optional port')
  }
  return url.host
}

function checkCertificate(registry: string, ca: string): void {
  try {
    void new X509Certificate(ca)
  } catch (cause) {
    throw new RequestError(
      'ERR_REQUEST_OPTION',
      `registries['${registry}']: its ca is not a certificate in PEM form`,
      { cause },
    )
  }
}

function badOption(registry: string, reason: string): RequestError {
  return new RequestError('ERR_REQUEST_OPTION', `registries[${quoted(registry)}]: ${reason}`)
}
