import { abortable } from '../core/abortable.ts'
import type { Digest } from '../core/digest.ts'
import type { AbortOptions } from '../core/options.ts'
import { Deadline } from './deadline.ts'
import type { Discovery, DiscoveryContext, KnownPeer } from './discovery.ts'
import { isNode, peerKey } from './known-peer.ts'
import { Repeater } from './repeater.ts'

/** Peers that are kept; of more, some at random, so that a fleet does not link to the same few. */
const maxKeptPeers = 64
const connectTimeoutMs = 30_000
/** How often a link that is there is asked for again, and how seldom one that cannot be had. */
const askAgainMs = 60_000

/** Peers that are worth a link whatever the topic. Asks the swarm for a link to each, again and again. */
export class LinkKeeper {
  readonly #context: DiscoveryContext
  readonly #foundBy: string
  readonly #kept = new Map<string, KeptPeer>()
  #closed = false

  /** @param foundBy - name of the discovery that finds the peers */
  constructor(context: DiscoveryContext, foundBy: string) {
    this.#context = context
    this.#foundBy = foundBy
  }

  /** The kept peers, without this node where it is one of them. */
  get peers(): KnownPeer[] {
    return [...this.#kept.values()].map(({ peer }) => peer).filter((peer) => !isNode(this.#context.node, peer))
  }

  /**
   * Keeps a peer, or takes over its new addresses.
   * @param forMs - how long, in milliseconds, unless it is kept again; without it, until others are kept only
   */
  keep(peer: KnownPeer, forMs?: number): void {
    const key = peerKey(peer)
    if (this.#closed || (this.#kept.size >= maxKeptPeers && !this.#kept.has(key))) return
    const kept = this.#kept.get(key) ?? new KeptPeer(this.#context, this.#foundBy, peer)
    this.#kept.set(key, kept)
    kept.peer = peer
    if (forMs !== undefined) kept.expireAfter(forMs, () => this.#release(key))
  }

  /** Keeps these and no others. */
  keepOnly(peers: readonly KnownPeer[]): void {
    const wanted = new Map(peers.map((peer) => [peerKey(peer), peer]))
    for (const key of this.#kept.keys()) if (!wanted.has(key)) this.#release(key)
    const fresh = [...wanted].filter(([key]) => !this.#kept.has(key)).map(([, peer]) => peer)
    while (fresh.length > 0 && this.#kept.size < maxKeptPeers) {
      for (const peer of fresh.splice(this.#context.random.below(fresh.length), 1)) this.keep(peer)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    const kept = [...this.#kept.values()]
    this.#kept.clear()
    await Promise.all(kept.map((peer) => peer.close()))
  }

  /** A link that is there stays as long as the swarm likes. */
  #release(key: string): void {
    void this.#kept.get(key)?.close()
    this.#kept.delete(key)
  }
}

/**
 * Asks for a link after 1 s, 2 s and so on up to a minute while there is none, with jitter, and each minute while
 * there is one: nobody tells when it breaks.
 */
class KeptPeer {
  peer: KnownPeer
  readonly #context: DiscoveryContext
  readonly #foundBy: string
  readonly #repeater: Repeater
  #cancelExpiry: (() => void) | undefined

  constructor(context: DiscoveryContext, foundBy: string, peer: KnownPeer) {
    this.peer = peer
    this.#context = context
    this.#foundBy = foundBy
    this.#repeater = new Repeater(context, {
      name: `linking to ${peerKey(peer)}`,
      periodMs: askAgainMs,
      maxRetryMs: askAgainMs,
      attempt: (signal) => this.#connect(signal),
    })
  }

  expireAfter(delayMs: number, onExpired: () => void): void {
    this.#cancelExpiry?.()
    this.#cancelExpiry = this.#context.clock.after(delayMs, onExpired)
  }

  close(): Promise<void> {
    this.#cancelExpiry?.()
    return this.#repeater.close()
  }

  async #connect(signal: AbortSignal): Promise<boolean> {
    if (isNode(this.#context.node, this.peer)) return true
    using deadline = new Deadline(this.#context.clock, connectTimeoutMs, signal)
    const options = { signal: deadline.signal }
    return await abortable(this.#context.connect(this.peer, this.#foundBy, options), deadline.signal)
  }
}

/** What a discovery adds to the peers that it keeps. */
export interface TopiclessInit {
  readonly name: string
  readonly keeper: LinkKeeper
  /** Settles when the first peers are known, if there are any. */
  readonly ready?: Promise<void> | undefined
  /** Ends what feeds the keeper. */
  readonly close?: (() => Promise<void>) | undefined
}

/** A discovery that knows peers, but not what they gather around: it finds them for every topic, and provides none. */
export function topiclessDiscovery({ name, keeper, ready, close }: TopiclessInit): Discovery {
  return {
    name,
    async provide(_topic: Digest, options: AbortOptions = {}) {
      options.signal?.throwIfAborted()
    },
    async withdraw() {},
    async *findPeers(_topic: Digest, { signal }: AbortOptions = {}) {
      signal?.throwIfAborted()
      if (ready) await abortable(ready, signal)
      for (const peer of keeper.peers) {
        signal?.throwIfAborted()
        yield peer
      }
    },
    async close() {
      await close?.()
      await keeper.close()
    },
  }
}
