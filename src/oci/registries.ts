import { systemClock, type Clock } from '../core/clock.ts'
import { silentLogger, type Logger } from '../core/log.ts'
import { seededRandom, type Random } from '../core/random.ts'
import { parseRegistry } from '../core/reference.ts'
import { Secret } from '../core/secret.ts'
import type { CredentialProvider, RegistryAuth } from './credential.ts'
import { userCredentials } from './credential-files.ts'
import { HostGates } from './host-gates.ts'
import { HttpClient } from './http-client.ts'
import { LruMap } from '../core/lru-map.ts'
import { RegistryAuthorizer } from './registry-authorizer.ts'
import { RegistryClient } from './registry-client.ts'
import { RegistryEndpoint } from './registry-endpoint.ts'
import { SettingsTable, type RegistryOptions } from './registry-settings.ts'
import { TokenSource } from './token-source.ts'

/** Registries that are remembered. */
const maxRemembered = 1000

/**
 * Whose credentials to use: nobody's, those of the user's `docker login` and `podman login`, given ones by registry,
 * or what a function finds.
 * @public
 */
export type Credentials =
  'anonymous' | 'default' | Readonly<Record<string, RegistryAuth>> | CredentialProvider

/**
 * Settings of {@link Registries}.
 * @public
 */
export interface RegistriesInit {
  /** By registry, as in references: `docker.io`, `localhost:5000`. */
  registries?: Readonly<Record<string, RegistryOptions>> | undefined
  /** For registries without an `auth` of their own; asked only when a registry wants some. @defaultValue `'default'` */
  credentials?: Credentials | undefined
  /** Shares the queue before each host, and what hosts asked to be spared, with others. @defaultValue none */
  queues?: Registries | undefined
  /** Headers that are sent along to registries, asked for at each request. @internal */
  headers?: (() => Readonly<Record<string, string>>) | undefined
  /** @defaultValue the machine's clock */
  clock?: Clock | undefined
  /** @defaultValue a logger that says nothing */
  logger?: Logger | undefined
}

/**
 * The way to all registries: their settings, connections, tokens, and the queue before each host. Close it when
 * nothing reads from them any more.
 * @public
 */
export class Registries implements AsyncDisposable {
  /**
   * The doors to all hosts that are asked through here, and what hosts asked of us: for the swarm, whose nodes tell each
   * other.
   * @internal
   */
  readonly hostGates: HostGates
  readonly #logger: Logger
  readonly #random: Random = seededRandom()
  readonly #settings: SettingsTable
  readonly #credentials: CredentialProvider
  readonly #http: HttpClient
  readonly #headers: (() => Readonly<Record<string, string>>) | undefined
  readonly #clients = new LruMap<string, RegistryClient>(maxRemembered)

  /** @throws {@link RequestError} `ERR_REQUEST_OPTION` when an entry of `registries` cannot be used */
  constructor(init: RegistriesInit = {}) {
    const {
      registries = {},
      credentials = 'default',
      clock = systemClock,
      logger = silentLogger,
    } = init
    this.hostGates = init.queues?.hostGates ?? new HostGates(clock)
    this.#logger = logger
    this.#headers = init.headers
    this.#settings = new SettingsTable(registries)
    this.#credentials = providerOf(credentials, clock)
    this.#http = new HttpClient({ clock, trust: this.#settings.trust })
  }

  /** @internal */
  client(registry: string): RegistryClient {
    const known = this.#clients.get(registry)
    if (known) return known
    const { url, mirrors } = this.#settings.of(registry)
    const client = new RegistryClient({
      registry,
      endpoints: [
        ...mirrors.map((mirror) => this.#endpoint(mirror.host, mirror, registry)),
        this.#endpoint(registry, url, undefined),
      ],
      anonymous: this.#endpoint(registry, url, undefined, true),
      clock: this.hostGates.clock,
      random: this.#random,
      logger: this.#logger,
    })
    this.#clients.set(registry, client)
    return client
  }

  /** Breaks all connections; reads under way fail with `ERR_SWARM_CLOSED`. */
  close(): Promise<void> {
    return this.#http.close()
  }

  /** Closes it. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #endpoint(registry: string, url: URL, mirrorOf: string | undefined, anonymous = false): RegistryEndpoint {
    const { insecure, auth, trustedRealms } = this.#settings.of(registry)
    const [http, gates] = [this.#http, this.hostGates]
    const credentials = anonymous ? async () => undefined : auth ? async () => auth.reveal() : this.#credentials
    const tokens = new TokenSource(http, gates)
    const authorizer = new RegistryAuthorizer({
      registry,
      url,
      insecure,
      trustedRealms,
      credentials,
      tokens,
    })
    return new RegistryEndpoint({ url, mirrorOf, gates, http, auth: authorizer, headers: this.#headers })
  }
}

function providerOf(credentials: Credentials, clock: Clock): CredentialProvider {
  if (typeof credentials === 'function') return credentials
  if (credentials === 'anonymous') return async () => undefined
  if (credentials === 'default') return userCredentials({ clock })
  const byRegistry = new Map(
    Object.entries(credentials).map(([name, auth]) => [parseRegistry(name) ?? name, new Secret(auth)]),
  )
  return async ({ registry }) => byRegistry.get(registry)?.reveal()
}
