import { digestOf, type Digest } from '../core/digest.ts'
import { LruMap } from '../core/lru-map.ts'
import type { Inline } from '../wire/messages.ts'
import { limits } from '../wire/protocol.ts'
import type { LinkEntry, SwarmContext } from './swarm-context.ts'

/** Blobs that are kept to be handed out, and small blobs of one topic that are remembered. */
const maxKept = 64
const maxTopics = 1024
const blobsPerTopic = 4

/** A small blob that came unasked for, and from whom. */
export interface InlineBlob {
  readonly bytes: Uint8Array
  readonly from: LinkEntry
}

/**
 * Small public blobs (manifests, configs), which ride along with the answers of trackers: a round trip each, and a request
 * to the origin for each node, would cost more than they weigh.
 */
export class InlineBlobs {
  readonly #context: SwarmContext
  readonly #kept = new LruMap<Digest, InlineBlob>(maxKept)
  /** What of a topic was small and public here. */
  readonly #byTopic = new LruMap<Digest, Set<Digest>>(maxTopics)
  readonly #arrived: (digest: Digest, blob: InlineBlob) => void

  /** @param arrived - told of each blob that came and matches its digest */
  constructor(context: SwarmContext, arrived: (digest: Digest, blob: InlineBlob) => void) {
    this.#context = context
    this.#arrived = arrived
  }

  /** What came before anybody here asked for it. */
  get(digest: Digest): InlineBlob | undefined {
    return this.#kept.get(digest)
  }

  /** A blob of a topic is here: whoever joins may have it, if it is small and public. */
  learn(topic: Digest, digest: Digest, sizeBytes: number): void {
    if (sizeBytes > limits.inlineBytes) return
    const known = this.#byTopic.get(topic) ?? new Set()
    if (known.size < blobsPerTopic) this.#byTopic.set(topic, known.add(digest))
  }

  receive(entry: LinkEntry, { digest, bytes }: Inline): void {
    // Unasked for: a digest costs less than to find out later.
    if (digestOf(bytes) !== digest) return
    const blob = { bytes, from: entry }
    this.#kept.set(digest, blob)
    this.#arrived(digest, blob)
  }

  /** Hands out what is small of a topic. Resolves when it is on its way: who joins is answered then, and needs not ask for it. */
  async offer(entry: LinkEntry, topic: Digest): Promise<void> {
    const digests = new Set([topic, ...(this.#byTopic.get(topic) ?? [])])
    await Promise.all([...digests].slice(0, blobsPerTopic).map((digest) => this.give(entry, digest)))
  }

  /** Gives a blob that is here, small and public; says whether it did. */
  async give(entry: LinkEntry, digest: Digest): Promise<boolean> {
    const bytes = await this.#readable(entry, digest)
    if (!bytes) return false
    entry.link.send({ type: 'inline', digest, bytes })
    return true
  }

  /** What is private is not handed out so, not even to those who may read it: nobody would know that it is. */
  async #readable(entry: LinkEntry, digest: Digest): Promise<Uint8Array | undefined> {
    const { sharing } = this.#context
    try {
      const facts = await this.#context.store.stat(digest)
      const { private: isPrivate = false, repositories = [] } = facts ?? {}
      const blob = { digest, private: isPrivate, repositories }
      if (!sharing.isForAll(blob) || !sharing.mayRead(entry, blob)) return undefined
      const kept = this.#kept.get(digest)
      if (kept) return kept.bytes
      if (!facts || facts.sizeBytes === 0 || facts.sizeBytes > limits.inlineBytes) return undefined
      return await this.#context.store.read(digest, { offset: 0, length: facts.sizeBytes })
    } catch (error) {
      this.#context.logger.debug('a small blob could not be read', { digest, error })
      return undefined
    }
  }
}
