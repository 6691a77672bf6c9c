import { MessageType, type DHTProgressEvents } from '@libp2p/kad-dht'
import type { CID } from 'multiformats/cid'
import { abortable, untilAborted } from '../core/abortable.ts'
import type { Digest } from '../core/digest.ts'
import { checkNumber, type AbortOptions } from '../core/options.ts'
import { Alarm } from './alarm.ts'
import { Deadline } from './deadline.ts'
import { dhtService } from './dht-service.ts'
import type { Discovery, DiscoveryContext, DiscoveryPlugin, KnownPeer } from './discovery.ts'
import { knownPeer } from './known-peer.ts'
import { ProvideSchedule } from './provide-schedule.ts'
import { expectsRoutablePeer, onRoutablePeer, storedMember, tellMembers } from './routable-peers.ts'
import { SharedSearches } from './shared-searches.ts'
import { topicKey } from './topic-key.ts'

/**
 * Options of {@link dht}.
 * @public
 */
export interface DhtOptions {
  /** Longest time that a search takes, in milliseconds. @defaultValue `5_000` */
  findTimeoutMs?: number | undefined
  /** Longest time that one announcement of a topic takes, in milliseconds. @defaultValue `30_000` */
  provideTimeoutMs?: number | undefined
}

/**
 * Discovery by a distributed hash table among the nodes themselves (kad-dht, under a protocol id of its own): needs no
 * server, only some node to start from. Provides the 256 most recent topics; what others provided is kept for an hour.
 * A node that the user brings is asked through its own content routing.
 *
 * @throws {@link RequestError} `ERR_REQUEST_OPTION` when an option is out of range
 * @public
 */
export function dht(options: DhtOptions = {}): DiscoveryPlugin {
  const settings = {
    findTimeoutMs: checkNumber('dht findTimeoutMs', options.findTimeoutMs ?? 5000, 1),
    provideTimeoutMs: checkNumber('dht provideTimeoutMs', options.provideTimeoutMs ?? 30_000, 1),
  }
  return {
    name: 'dht',
    services: { dht: dhtService },
    create: (context) => new DhtDiscovery(context, settings),
  }
}

type DhtSettings = { readonly [name in keyof DhtOptions]-?: number }

/** Peers that one search yields at most. They are hints of strangers, who may send any number. */
const maxPeersPerSearch = 64
/** How long a search waits for a connected peer to become a DHT node that can be asked: some round trips. */
const firstPeerWaitMs = 2000
/**
 * One for an empty table, one for its first node, one for what came meanwhile. A bootstrap node's table grows all the
 * time, and a search for what nobody provides must end nevertheless.
 */
const maxRounds = 3
const joinTimeoutMs = 10_000
const forgetTimeoutMs = 1000

class DhtDiscovery implements Discovery {
  readonly name = 'dht'
  readonly #context: DiscoveryContext
  readonly #settings: DhtSettings
  readonly #self: string
  readonly #schedule: ProvideSchedule
  readonly #searches: SharedSearches
  readonly #stop = new AbortController()
  readonly #ignoreRoutablePeers: () => void
  readonly #ignoreMembers: () => void
  #joined = false

  constructor(context: DiscoveryContext, settings: DhtSettings) {
    this.#context = context
    this.#settings = settings
    this.#self = context.node.peerId.toString()
    this.#schedule = new ProvideSchedule(context, (topic, signal) => this.#publish(topic, signal))
    this.#searches = new SharedSearches(context.clock, (topic, signal) => this.#search(topic, signal))
    this.#ignoreRoutablePeers = onRoutablePeer(context.node, () => {
      this.#schedule.wake()
      void this.#join()
    })
    this.#ignoreMembers = tellMembers(context.node, (peer) => context.met(peer))
  }

  async provide(topic: Digest, options: AbortOptions = {}): Promise<void> {
    options.signal?.throwIfAborted()
    if (this.#stop.signal.aborted) return
    const replaced = this.#schedule.add(topic)
    if (replaced) await this.#forget(replaced)
  }

  async withdraw(topic: Digest): Promise<void> {
    if (this.#schedule.remove(topic)) await this.#forget(topic)
  }

  async *findPeers(topic: Digest, options: AbortOptions = {}): AsyncGenerator<KnownPeer, void, undefined> {
    options.signal?.throwIfAborted()
    if (!this.#stop.signal.aborted) yield* this.#searches.read(topic, options.signal)
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#ignoreRoutablePeers()
    this.#ignoreMembers()
    this.#searches.close()
    const topics = await this.#schedule.close()
    await Promise.all(topics.map((topic) => this.#forget(topic)))
  }

  /** Provides once; resolves to whether any node took the record. */
  async #publish(topic: Digest, signal: AbortSignal): Promise<boolean> {
    using deadline = new Deadline(this.#context.clock, this.#settings.provideTimeoutMs, signal)
    let takers = 0
    const onProgress = (event: DHTProgressEvents): void => {
      if (this.#isReply(event) && event.detail.messageType === MessageType.ADD_PROVIDER) takers++
    }
    const options = { signal: deadline.signal, onProgress }
    try {
      await abortable(this.#context.node.contentRouting.provide(this.#keyOf(topic), options), deadline.signal)
    } catch (error) {
      // The last of the walk are often nodes that are gone: the others have the record.
      if (!deadline.expired || takers === 0) throw error
    }
    if (takers > 0) this.#context.logger.debug('a topic was provided', { topic, takers })
    return takers > 0
  }

  /** kad-dht cannot take back what others hold: they forget within the hour. The node's own copy goes at once. */
  async #forget(topic: Digest): Promise<void> {
    using deadline = new Deadline(this.#context.clock, forgetTimeoutMs)
    const { signal } = deadline
    try {
      await abortable(this.#context.node.contentRouting.cancelReprovide(this.#keyOf(topic), { signal }), signal)
    } catch (error) {
      this.#context.logger.debug('a topic could not be withdrawn', { topic, error })
    }
  }

  /**
   * Searches until somebody is found. A node that has just got its first connection has an empty routing table for some
   * round trips (identify, then a ping): it waits for the first entry, and asks again while the table grows.
   */
  async *#search(topic: Digest, signal: AbortSignal): AsyncGenerator<KnownPeer, void, undefined> {
    const { node, clock, logger } = this.#context
    using deadline = new Deadline(clock, this.#settings.findTimeoutMs, signal)
    const growth = new Alarm(clock)
    const ignore = onRoutablePeer(node, () => growth.ring())
    try {
      for (let round = 0; round < maxRounds && !deadline.signal.aborted; round++) {
        growth.reset()
        const { found, answers } = yield* this.#query(this.#keyOf(topic), deadline.signal)
        if (found > 0) return
        if (answers === 0 && (await expectsRoutablePeer(node))) await growth.pause(firstPeerWaitMs, deadline.signal)
        if (!growth.rung) return
      }
    } catch (error) {
      if (!deadline.signal.aborted) logger.debug('the DHT could not be searched', { topic, error })
    } finally {
      ignore()
    }
  }

  /** One walk: yields whom it finds, and returns how many those were and how many nodes answered. */
  async *#query(
    key: CID,
    signal: AbortSignal,
  ): AsyncGenerator<KnownPeer, { found: number; answers: number }, undefined> {
    const found = new Set<string>()
    let answers = 0
    const onProgress = (event: DHTProgressEvents): void => {
      if (this.#isReply(event)) answers++
    }
    const providers = this.#context.node.contentRouting.findProviders(key, { signal, onProgress })
    for await (const { id, multiaddrs } of untilAborted(providers, signal)) {
      const peerId = id.toString()
      const peer = peerId === this.#self || found.has(peerId) ? undefined : knownPeer(peerId, multiaddrs)
      if (!peer) continue
      found.add(peerId)
      yield peer
      if (found.size === maxPeersPerSearch) break
    }
    return { found: found.size, answers }
  }

  /**
   * Becomes known to the nodes nearest to this one, as Kademlia has it; kad-dht would do so five minutes later. Meets them, too: in
   * a large network the routing table has no room for all neighbours.
   */
  async #join(): Promise<void> {
    if (this.#joined) return
    this.#joined = true
    const { node, clock, logger } = this.#context
    using deadline = new Deadline(clock, joinTimeoutMs, this.#stop.signal)
    const { signal } = deadline
    try {
      const neighbours = node.peerRouting.getClosestPeers(node.peerId.toMultihash().bytes, { signal })
      for await (const { id } of untilAborted(neighbours, signal)) {
        const peer = id.equals(node.peerId) ? undefined : await storedMember(node, id)
        if (peer && !signal.aborted) this.#context.met(peer)
      }
    } catch (error) {
      if (!signal.aborted) logger.debug('the nearest nodes of the DHT could not be found', { error })
    }
  }

  /** Another node's answer; this node's own records come as one too. */
  #isReply(event: DHTProgressEvents): event is Extract<DHTProgressEvents, { type: 'kad-dht:query:peer-response' }> {
    return event.type === 'kad-dht:query:peer-response' && event.detail.from.toString() !== this.#self
  }

  #keyOf(topic: Digest): CID {
    return topicKey(topic, this.#context.networkKey)
  }
}
