import { abortable } from '../core/abortable.ts'
import type { Digest } from '../core/digest.ts'
import { RequestError } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import type { AbortOptions } from '../core/options.ts'
import type { Discovery, DiscoveryContext, DiscoveryPlugin, KnownPeer } from './discovery.ts'
import { peerKey } from './known-peer.ts'
import { mergedStreams } from './merged-streams.ts'

/**
 * A {@link KnownPeer}, and who found it.
 * @public
 */
export interface FoundPeer extends KnownPeer {
  /** Name of the discovery that found it. */
  readonly foundBy: string
}

/** Several discoveries as one. None is hurt by another's failure. */
export class CombinedDiscovery implements Discovery {
  readonly name = 'combined'
  readonly #discoveries: readonly Discovery[]
  readonly #logger: Logger

  /** @param discoveries - closed with this one */
  constructor(discoveries: readonly Discovery[], logger: Logger) {
    this.#discoveries = discoveries
    this.#logger = logger
  }

  /**
   * Makes the discoveries of all plugins. One that cannot be made is left out, and logged.
   * @throws {@link RequestError} when an option of a plugin is wrong
   */
  static async create(plugins: readonly DiscoveryPlugin[], context: DiscoveryContext): Promise<CombinedDiscovery> {
    const discoveries: Discovery[] = []
    for (const plugin of plugins) {
      try {
        discoveries.push(await plugin.create(context))
      } catch (error) {
        if (error instanceof RequestError) {
          await new CombinedDiscovery(discoveries, context.logger).close()
          throw error
        }
        context.logger.warn('a discovery could not be made and is left out', { discovery: plugin.name, error })
      }
    }
    return new CombinedDiscovery(discoveries, context.logger)
  }

  async provide(topic: Digest, { signal }: AbortOptions = {}): Promise<void> {
    signal?.throwIfAborted()
    await abortable(this.#each('provide', (discovery) => discovery.provide(topic, { signal })), signal)
  }

  async withdraw(topic: Digest): Promise<void> {
    await this.#each('withdraw', (discovery) => discovery.withdraw(topic))
  }

  /** Yields what all of them find, as it comes: a peer once for each of them that finds it. */
  async *findPeers(topic: Digest, { signal }: AbortOptions = {}): AsyncGenerator<FoundPeer, void, undefined> {
    signal?.throwIfAborted()
    const left = new AbortController()
    const inner = signal ? AbortSignal.any([signal, left.signal]) : left.signal
    try {
      yield* mergedStreams(this.#discoveries.map((discovery) => this.#findBy(discovery, topic, inner)), signal)
    } finally {
      left.abort()
    }
  }

  async close(): Promise<void> {
    await this.#each('close', (discovery) => discovery.close())
  }

  /** What one of them finds; its failure is an early end. */
  async *#findBy(
    discovery: Discovery,
    topic: Digest,
    signal: AbortSignal,
  ): AsyncGenerator<FoundPeer, void, undefined> {
    const seen = new Set<string>()
    try {
      for await (const peer of discovery.findPeers(topic, { signal })) {
        const key = peerKey(peer)
        if (seen.has(key)) continue
        seen.add(key)
        yield { ...peer, foundBy: discovery.name }
      }
    } catch (error) {
      if (!signal.aborted) this.#logFailure('find peers', discovery, error)
    }
  }

  async #each(act: string, action: (discovery: Discovery) => Promise<void>): Promise<void> {
    const one = async (discovery: Discovery): Promise<void> => {
      try {
        await action(discovery)
      } catch (error) {
        this.#logFailure(act, discovery, error)
      }
    }
    await Promise.all(this.#discoveries.map(one))
  }

  #logFailure(act: string, { name }: Discovery, error: unknown): void {
    this.#logger.info(`a discovery failed to ${act}`, { discovery: name, error })
  }
}
