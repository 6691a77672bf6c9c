import { OriginError } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import { isConnectTimeout } from './network-error.ts'
import type { RegistryEndpoint } from './registry-endpoint.ts'
import { Retries, type RetryContext } from './retries.ts'

/** One operation on a registry that several servers stand for: mirrors first, the registry itself last. */
export class Failover {
  readonly retries: Retries
  readonly #endpoints: readonly RegistryEndpoint[]
  readonly #logger: Logger
  readonly #slow = new Set<RegistryEndpoint>()

  constructor(endpoints: readonly RegistryEndpoint[], context: RetryContext, logger: Logger) {
    this.#endpoints = endpoints
    this.#logger = logger
    // One that was too slow once is not asked again, for some other source is faster; not even if there is no other
    // here.
    this.retries = new Retries(context, () => this.#slow.size === endpoints.length)
  }

  /** Tries one endpoint after the other; when all fail, with the failure of the last one, which is the registry. */
  async attempt<Result>(use: (endpoint: RegistryEndpoint) => Promise<Result>): Promise<Result> {
    let failure: unknown
    for (const endpoint of this.#endpoints) {
      if (this.#slow.has(endpoint)) continue
      try {
        return await use(endpoint)
      } catch (error) {
        if (!(error instanceof OriginError)) throw error
        this.failed(endpoint, error)
        failure = error
      }
    }
    throw failure
  }

  /** Takes note of a failure that showed after the attempt. */
  failed(endpoint: RegistryEndpoint, failure: unknown): void {
    if (!(failure instanceof OriginError)) return
    this.#logger.debug('a registry request failed', {
      host: endpoint.name,
      code: failure.code,
      message: failure.message,
    })
    if (failure.code === 'ERR_ORIGIN_TIMEOUT' || isConnectTimeout(failure)) this.#slow.add(endpoint)
  }
}
