import { createHash } from 'node:crypto'
import type { Clock } from '../core/clock.ts'
import { OriginError } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import { LruMap } from '../core/lru-map.ts'
import { repositoryOf } from '../core/reference.ts'
import type { RegistryAuth } from '../oci/credential.ts'
import { ManifestResolver } from '../oci/manifest-resolver.ts'
import type { Registries } from '../oci/registries.ts'
import type { RegistryOptions } from '../oci/registry-settings.ts'
import { refusalOf } from './error-answer.ts'
import { parseAuthorization } from './authorization-header.ts'
import type { LoopGuard } from './loop-guard.ts'
import type { MirrorRequest } from './mirror-answer.ts'
import { Refusal } from './refusal.ts'
import type { Upstream } from './upstreams.ts'

/** How long the registry's yes to a caller holds, in milliseconds. */
const memoMs = 60_000
const maxMemos = 10_000
/** Callers whose connections are kept. */
const maxCallers = 64

/** What callers' rights are found out by. */
export interface CallerAccessInit {
  readonly upstreams: Readonly<Record<string, RegistryOptions>>
  readonly queues: Registries
  readonly loops: LoopGuard
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Lets callers have what the registry lets them have: each shows his own credentials, and before anything is served the registry is asked with them. They are
 * kept in memory only, while he comes back.
 */
export class CallerAccess {
  readonly #init: CallerAccessInit
  /** The upstreams without credentials of this node. */
  readonly #registries: Readonly<Record<string, RegistryOptions>>
  /** By what stands for a caller's credentials; the one that came last is last. */
  readonly #callers = new Map<string, ManifestResolver>()
  readonly #memos = new LruMap<string, number>(maxMemos)

  constructor(init: CallerAccessInit) {
    this.#init = init
    this.#registries = Object.fromEntries(Object.entries(init.upstreams).map(([name, options]) => [name, { ...options, auth: undefined }]))
  }

  /** How to reach the registry in the caller's name, once it has said that he may read `path` of the repository. */
  async admit(request: MirrorRequest, upstream: Upstream, path: string): Promise<ManifestResolver | Refusal> {
    const { signal } = request
    const header = request.header('authorization')
    const auth = header === undefined ? undefined : parseAuthorization(header)
    if (auth instanceof Refusal) return auth
    const caller = createHash('sha256').update(header ?? '').digest('base64url')
    const resolver = await this.#resolver(caller, auth)
    const memo = `${caller} ${repositoryOf(upstream)}/${path}`
    const now = this.#init.clock.monotonicMs()
    if ((this.#memos.get(memo) ?? -Infinity) > now) return resolver
    try {
      // Of a manifest that was served, no blob is refused because the registry stumbles.
      const once = !path.startsWith('blobs/')
      await resolver.registries.client(upstream.registry).knock(upstream.repository, path, { signal, once })
    } catch (error) {
      if (signal.aborted) throw error
      return this.#refusal(error, resolver, upstream, path, signal)
    }
    this.#memos.set(memo, now + memoMs)
    return resolver
  }

  /** What `/v2/` answers: how to get in, as the registry puts it. */
  async door(request: MirrorRequest, registry: string): Promise<Refusal | undefined> {
    if (request.header('authorization') !== undefined) return undefined
    const resolver = await this.#resolver('', undefined)
    const challenges = await resolver.registries.client(registry).challenges('', request).catch(() => [])
    return challenges.length > 0 ? unauthorized(challenges) : undefined
  }

  async close(): Promise<void> {
    await Promise.all([...this.#callers.values()].map((resolver) => resolver.close()))
  }

  async #refusal(error: unknown, { registries }: ManifestResolver, { registry, repository }: Upstream, path: string, signal: AbortSignal): Promise<Refusal> {
    const code = error instanceof OriginError ? error.code : undefined
    if (code === 'ERR_ORIGIN_DENIED') return new Refusal(403, 'DENIED', 'the registry does not let you read it')
    // Where we do not go with his credentials, he may: the registry sends him there himself.
    if (code === 'ERR_ORIGIN_AUTH' || code === 'ERR_ORIGIN_REALM') {
      const challenges = await registries.client(registry).challenges(`${repository}/${path}`, { signal }).catch(() => [])
      return unauthorized(challenges)
    }
    return refusalOf(error, path.startsWith('blobs/') ? 'BLOB_UNKNOWN' : 'MANIFEST_UNKNOWN')
  }

  async #resolver(caller: string, auth: RegistryAuth | undefined): Promise<ManifestResolver> {
    const known = this.#callers.get(caller)
    const { queues, loops, clock, logger } = this.#init
    const resolver = known ?? new ManifestResolver({ registries: this.#registries, credentials: async () => auth, queues, headers: loops.headers, clock, logger })
    this.#callers.delete(caller)
    this.#callers.set(caller, resolver)
    const [oldest] = this.#callers
    if (this.#callers.size > maxCallers && oldest) {
      this.#callers.delete(oldest[0])
      await oldest[1].close()
    }
    return resolver
  }
}

function unauthorized(challenges: readonly string[]): Refusal {
  return new Refusal(401, 'UNAUTHORIZED', 'the registry wants to know who you are', { 'www-authenticate': challenges.join(', ') || 'Basic realm="registry"' })
}
