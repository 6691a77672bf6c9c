import type { Digest } from '../core/digest.ts'
import type { KnownPeerState, LinkBook } from '../engine/links.ts'
import type { LinkId } from '../engine/session-event.ts'
import type { FoundPeer } from '../discovery/combined-discovery.ts'
import type { KnownPeer } from '../discovery/discovery.ts'
import type { Link } from '../net/link.ts'
import type { LinkHost } from '../net/link-host.ts'
import type { MemberAddresses } from '../net/member-addresses.ts'
import type { Join, Location, Members } from '../wire/messages.ts'
import { limits } from '../wire/protocol.ts'
import { Introductions } from './introductions.ts'
import { InFlightBudget } from './in-flight-budget.ts'
import { RequestLane } from './request-lane.ts'
import type { LinkEntry, SwarmContext } from './swarm-context.ts'

/** Topics that this node gathers around at once; the longest unused is left first. */
const maxTopics = 256
const dialTimeoutMs = 10_000
/** How often unlinked peers are looked at again, in milliseconds. */
const redialEveryMs = 1000
/** Discovery is asked again while a blob is loading: after this long at first, then ever more seldom. */
const firstAskAgainMs = 2000
const maxAskAgainMs = 30_000

/** The part of discovery that the link manager drives. */
export interface TopicDiscovery {
  provide(topic: Digest): Promise<void>
  withdraw(topic: Digest): Promise<void>
  findPeers(topic: Digest, options: { signal: AbortSignal }): AsyncIterable<FoundPeer>
}

/** What is told of links as they come and go. */
export interface LinkManagerHandlers {
  opened(entry: LinkEntry): void
  closed(entry: LinkEntry): void
}

interface Topic {
  /** How many loads need peers for it. */
  loading: number
  /** When discovery is asked again. */
  askAgainMs: number
  askedTimes: number
}

/** Finds peers for topics, dials as the engine's book decides, and introduces peers to each other. */
export class LinkManager {
  readonly #context: SwarmContext & { readonly links: Map<LinkId, LinkEntry> }
  readonly #budget: InFlightBudget
  readonly #host: LinkHost
  readonly #book: LinkBook
  readonly #addresses: MemberAddresses
  readonly #location: Location
  readonly #handlers: LinkManagerHandlers
  readonly #topics = new Map<Digest, Topic>()
  readonly #introductions: Introductions
  readonly #byPeer = new Map<string, LinkEntry>()
  readonly #dials = new Map<string, Promise<void>>()
  readonly #controller = new AbortController()
  #discovery: TopicDiscovery | undefined
  #cancelTimer: (() => void) | undefined
  #nextLinkId = 1

  constructor(init: {
    context: SwarmContext & { readonly links: Map<LinkId, LinkEntry> }
    host: LinkHost
    book: LinkBook
    addresses: MemberAddresses
    location: Location
    handlers: LinkManagerHandlers
  }) {
    this.#context = init.context
    this.#budget = new InFlightBudget(init.context.inFlightBytes)
    this.#introductions = new Introductions(init.context.clock)
    this.#host = init.host
    this.#book = init.book
    this.#addresses = init.addresses
    this.#location = init.location
    this.#handlers = init.handlers
  }

  start(discovery: TopicDiscovery): void {
    this.#discovery = discovery
    this.#armTimer()
  }

  async close(): Promise<void> {
    this.#controller.abort()
    this.#cancelTimer?.()
    await Promise.allSettled(this.#dials.values())
  }

  /** Links to a peer that is worth it whatever the topic; says whether there is a link now. */
  async connect(peer: KnownPeer, foundBy: string): Promise<boolean> {
    const known = this.#book.found(peer, foundBy)
    if (!known) return false
    if (this.#book.mayDial(known.key)) this.#startDial(known)
    await this.#dials.get(known.key)
    // The peer behind an address has a name by now.
    return this.#book.get(known.key)?.linked ?? false
  }

  /** Gathers around a topic: peers and the world are told. */
  enter(topic: Digest): void {
    const before = this.#topics.get(topic)
    this.#topics.delete(topic)
    this.#topics.set(topic, before ?? { loading: 0, askAgainMs: Infinity, askedTimes: 0 })
    if (before) return
    this.#leaveOldest()
    for (const entry of this.#byPeer.values()) this.#join(entry, topic)
    void this.#provide(topic)
  }

  /**
   * Looks for others who gather around a topic that was entered. Resolves when the first round is over: all that could be found
   * at once were found, and are linked or could not be reached.
   */
  async look(topic: Digest): Promise<void> {
    const state = this.#topics.get(topic)
    if (!state) return
    if (this.#book.knownCount > 0) return this.#look(topic, state)
    // A node that knows nobody has nobody to ask, and nothing to wait for; that may change.
    state.askAgainMs = this.#now() + firstAskAgainMs
  }

  /** Counts a load that needs peers of the topic; returns what ends it. */
  load(topic: Digest): () => void {
    const state = this.#topics.get(topic)
    if (!state) return () => {}
    state.loading++
    this.#dialReady()
    let ended = false
    return () => {
      if (ended) return
      ended = true
      state.loading--
    }
  }

  async leave(topic: Digest): Promise<void> {
    if (!this.#topics.delete(topic)) return
    await this.#discovery?.withdraw(topic)
  }

  opened(link: Link): void {
    // Dialled by its address alone, it is known by that until now.
    if (!link.inbound) this.#book.identified(link.remoteAddress.replace(/\/p2p\/[^/]+$/, ''), link.peerId)
    const known = this.#book.linked(link.peerId, link.inbound)
    const entry: LinkEntry = {
      id: this.#nextLinkId++,
      link,
      lane: new RequestLane(link, this.#budget),
      distance: distanceOf(this.#location, link.hello.location),
      foundBy: known.foundBy,
      topics: new Set(),
      blobs: new Set(),
    }
    this.#byPeer.set(link.peerId, entry)
    this.#context.links.set(entry.id, entry)
    for (const topic of this.#topics.keys()) this.#join(entry, topic)
    this.#handlers.opened(entry)
    this.#context.emit('peer:linked', { peerId: link.peerId, foundBy: [...entry.foundBy] })
  }

  closed(link: Link): void {
    const entry = this.#byPeer.get(link.peerId)
    if (!entry || entry.link !== link) return
    this.#byPeer.delete(link.peerId)
    this.#context.links.delete(entry.id)
    this.#book.closed(link.peerId, this.#now())
    this.#introductions.left(entry.id)
    this.#handlers.closed(entry)
    this.#context.emit('peer:unlinked', { peerId: link.peerId, foundBy: [...entry.foundBy] })
  }

  entryOf(link: Link): LinkEntry | undefined {
    const entry = this.#byPeer.get(link.peerId)
    return entry?.link === link ? entry : undefined
  }

  /** A peer gathers around a topic: it learns of others who told us that they do, whether we are one ourselves or not. */
  async joined(entry: LinkEntry, { topic }: Join): Promise<void> {
    entry.topics.delete(topic)
    entry.topics.add(topic)
    const [oldest] = entry.topics
    if (entry.topics.size > limits.topicsPerPeer && oldest) entry.topics.delete(oldest)
    const others = [...this.#byPeer.values()].filter((other) => other !== entry && other.topics.has(topic))
    const chosen = others.slice(-limits.members)
    const members = await Promise.all(chosen.map((other) => this.#addresses.describe(other.link.peerId)))
    entry.link.send({ type: 'members', topic, members: members.filter((member) => member !== undefined) })
  }

  /** A peer introduced others. */
  introduced(entry: LinkEntry, { topic, members }: Members): void {
    this.#introductions.answered(topic, entry.id)
    if (!this.#topics.has(topic)) return
    for (const member of members) {
      const peer = this.#addresses.read(member)
      if (peer) this.#book.found(peer, 'tracker')
    }
    this.#dialReady()
  }

  #join(entry: LinkEntry, topic: Digest): void {
    this.#introductions.asked(topic, entry.id)
    entry.link.send({ type: 'join', topic })
  }

  async #provide(topic: Digest): Promise<void> {
    try {
      await this.#discovery?.provide(topic)
    } catch (error) {
      this.#context.logger.info('a topic could not be provided', { topic, error })
    }
  }

  async #look(topic: Digest, state: Topic): Promise<void> {
    state.askedTimes++
    state.askAgainMs = Infinity
    try {
      // Peers that are configured are part of the first round: they may hold the blob themselves.
      await this.#dialsDone()
      await Promise.all([this.#introductions.answeredByAll(topic), this.#search(topic)])
      await this.#dialsDone()
    } catch (error) {
      if (!this.#controller.signal.aborted) this.#context.logger.info('discovery failed', { topic, error })
    } finally {
      const waitMs = Math.min(maxAskAgainMs, firstAskAgainMs * 2 ** (state.askedTimes - 1))
      state.askAgainMs = this.#now() + waitMs
    }
  }

  async #search(topic: Digest): Promise<void> {
    const found = this.#discovery?.findPeers(topic, { signal: this.#controller.signal }) ?? []
    for await (const { foundBy, ...peer } of found) {
      this.#book.found(peer, foundBy)
      this.#dialReady()
    }
  }

  async #dialsDone(): Promise<void> {
    await Promise.allSettled(this.#dials.values())
  }

  #leaveOldest(): void {
    for (const [topic, state] of this.#topics) {
      if (this.#topics.size <= maxTopics) return
      if (state.loading === 0) void this.leave(topic)
    }
  }

  #dialReady(): void {
    if (this.#controller.signal.aborted) return
    const loading = [...this.#topics.values()].some((topic) => topic.loading > 0)
    if (!loading) return
    for (const peer of this.#book.toDial(this.#now())) this.#startDial(peer)
  }

  #startDial(peer: KnownPeerState): void {
    const dial = this.#dial(peer.key, peer).finally(() => {
      if (this.#dials.get(peer.key) === dial) this.#dials.delete(peer.key)
    })
    this.#dials.set(peer.key, dial)
  }

  async #dial(key: string, peer: KnownPeer): Promise<void> {
    const timeout = new AbortController()
    const cancel = this.#context.clock.after(dialTimeoutMs, () => timeout.abort())
    const signal = AbortSignal.any([this.#controller.signal, timeout.signal])
    try {
      const link = await this.#host.dial(
        { ...(peer.peerId !== undefined && { peerId: peer.peerId }), addresses: peer.addresses },
        { signal },
      )
      this.#book.identified(key, link.peerId)
    } catch (error) {
      this.#book.dialFailed(key, this.#now())
      this.#context.logger.debug('a peer could not be reached', { peer: key, error })
    } finally {
      cancel()
    }
  }

  #armTimer(): void {
    this.#cancelTimer = this.#context.clock.after(redialEveryMs, () => {
      const now = this.#now()
      for (const [topic, state] of this.#topics) {
        if (state.loading > 0 && now >= state.askAgainMs) void this.#look(topic, state)
      }
      this.#dialReady()
      this.#armTimer()
    })
  }

  #now(): number {
    return this.#context.clock.monotonicMs()
  }
}

/** 0 same rack, 1 same zone, 2 same region or unknown, 3 another region. */
export function distanceOf(ours: Location, theirs: Location): number {
  if (ours.region === '' || theirs.region === '') return 2
  if (ours.region !== theirs.region) return 3
  if (ours.zone === '' || ours.zone !== theirs.zone) return 2
  return ours.rack !== '' && ours.rack === theirs.rack ? 0 : 1
}
