import { sleep } from '../../src/core/clock.ts'
import type { Digest } from '../../src/core/digest.ts'
import type { DiscoveryContext, DiscoveryPlugin, KnownPeer } from '../../src/discovery/discovery.ts'

/** How long a search takes. */
const searchMs = 100

interface Participant {
  readonly peer: KnownPeer
  readonly context: DiscoveryContext
}

/** Who exists, and who gathers around what: a DHT without its traffic. */
export class Directory {
  readonly #participants = new Map<string, Participant>()
  readonly #topics = new Map<Digest, Set<string>>()
  readonly #advertised = new Map<string, KnownPeer>()

  /** A discovery for one node, which the others hear of from then on. */
  plugin(self: KnownPeer & { readonly peerId: string }): DiscoveryPlugin {
    return {
      name: 'lab',
      create: (context) => {
        this.#enter({ peer: self, context })
        return {
          name: 'lab',
          provide: async (topic) => {
            this.#gather(topic).add(self.peerId)
          },
          withdraw: async (topic) => {
            this.#gather(topic).delete(self.peerId)
          },
          findPeers: (topic, { signal } = {}) => this.#find(topic, self.peerId, context, signal),
          close: async () => {
            this.leave(self.peerId)
          },
        }
      },
    }
  }

  /** Somebody who is none of our nodes says that it gathers around topics: others find it. */
  advertise(peer: KnownPeer & { readonly peerId: string }, topics: readonly Digest[]): void {
    for (const topic of topics) this.#gather(topic).add(peer.peerId)
    this.#advertised.set(peer.peerId, peer)
    for (const { context } of this.#participants.values()) context.met(peer)
  }

  leave(peerId: string): void {
    this.#participants.delete(peerId)
    for (const gathered of this.#topics.values()) gathered.delete(peerId)
  }

  #enter(newcomer: Participant): void {
    for (const { peer, context } of this.#participants.values()) {
      newcomer.context.met(peer)
      context.met(newcomer.peer)
    }
    for (const peer of this.#advertised.values()) newcomer.context.met(peer)
    this.#participants.set(newcomer.peer.peerId ?? '', newcomer)
  }

  async *#find(topic: Digest, selfId: string, { clock }: DiscoveryContext, signal: AbortSignal | undefined): AsyncGenerator<KnownPeer> {
    await sleep(clock, searchMs, signal)
    for (const peerId of Array.from(this.#gather(topic))) {
      const peer = this.#participants.get(peerId)?.peer ?? this.#advertised.get(peerId)
      if (peer && peerId !== selfId) yield peer
    }
  }

  #gather(topic: Digest): Set<string> {
    const gathered = this.#topics.get(topic) ?? new Set<string>()
    this.#topics.set(topic, gathered)
    return gathered
  }
}
