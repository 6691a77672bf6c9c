import type { Digest } from '../core/digest.ts'
import type { FoundPeer } from '../discovery/combined-discovery.ts'
import type { JoinWalker } from './join-walker.ts'
import type { LinkManager } from './link-manager.ts'
import type { LinkEntry, SwarmContext } from './swarm-context.ts'

/** Topics that this node gathers around at once; the longest unused is left first. */
const maxTopics = 256
/** How often it is looked whether a load needs more peers, in milliseconds. */
const lookEveryMs = 500
/** Discovery is asked again while a blob is loading: after this long at first, then ever more seldom. */
const firstAskAgainMs = 2000
const maxAskAgainMs = 30_000
/** Peers forget after an hour who does not say again what it gathers around. */
const tellAgainMs = 1_800_000
/** Whoever takes longer to be reached than this is not part of the first round. */
const dialsMs = 1000

/** The part of discovery that topics need. */
export interface TopicDiscovery {
  provide(topic: Digest): Promise<void>
  withdraw(topic: Digest): Promise<void>
  findPeers(topic: Digest, options: { signal: AbortSignal }): AsyncIterable<FoundPeer>
}

interface Topic {
  /** How many loads need peers for it. */
  loading: number
  /** When discovery is asked again. */
  askAgainMs: number
  askedTimes: number
}

/** What this node gathers around, and its search for others who do. */
export class TopicTable {
  readonly #context: SwarmContext
  readonly #links: LinkManager
  readonly #walker: JoinWalker
  readonly #topics = new Map<Digest, Topic>()
  readonly #controller = new AbortController()
  #discovery: TopicDiscovery | undefined
  #cancelTimer: (() => void) | undefined
  #toldMs: number

  constructor(context: SwarmContext, links: LinkManager, walker: JoinWalker) {
    this.#context = context
    this.#links = links
    this.#walker = walker
    this.#toldMs = context.clock.monotonicMs()
  }

  start(discovery: TopicDiscovery): void {
    this.#discovery = discovery
    this.#armTimer()
  }

  close(): void {
    this.#controller.abort()
    this.#cancelTimer?.()
  }

  has(topic: Digest): boolean {
    return this.#topics.has(topic)
  }

  isLoading(topic: Digest): boolean {
    return (this.#topics.get(topic)?.loading ?? 0) > 0
  }

  /** Gathers around a topic: peers and the world are told. */
  enter(topic: Digest): void {
    const before = this.#topics.get(topic)
    this.#topics.delete(topic)
    this.#topics.set(topic, before ?? { loading: 0, askAgainMs: Infinity, askedTimes: 0 })
    if (before) return
    this.#leaveOldest()
    for (const entry of this.#context.links.values()) entry.link.send({ type: 'join', topic, asks: false })
    void this.#provide(topic)
  }

  async leave(topic: Digest): Promise<void> {
    if (!this.#topics.delete(topic)) return
    await this.#discovery?.withdraw(topic)
  }

  /** A new peer hears what we gather around; of what we load, it tells us whom it knows. */
  introduceTo(entry: LinkEntry): void {
    for (const [topic, { loading }] of this.#topics) entry.link.send({ type: 'join', topic, asks: loading > 0 })
  }

  /**
   * Looks for others who gather around a topic that was entered. Resolves when the first round is over: all that could be found
   * at once were found, and are linked or could not be reached. Nothing waits for the DHT.
   */
  async look(topic: Digest): Promise<void> {
    const state = this.#topics.get(topic)
    if (!state) return
    state.askedTimes++
    state.askAgainMs = Infinity
    void this.#search(topic)
    try {
      // Peers that are configured are part of the first round: they may hold the blob themselves.
      await this.#links.dialsDone(dialsMs)
      await this.#walker.walk(topic)
      await this.#links.dialsDone(dialsMs)
    } finally {
      const waitMs = Math.min(maxAskAgainMs, firstAskAgainMs * 2 ** (state.askedTimes - 1))
      state.askAgainMs = this.#context.clock.monotonicMs() + waitMs
    }
  }

  /** Whom we dial anyway is linked, or could not be reached; for a search that names no topic. */
  dialsDone(): Promise<void> {
    return this.#links.dialsDone(dialsMs)
  }

  all(): Digest[] {
    return [...this.#topics.keys()]
  }

  /** Counts a load that needs peers of the topic; returns what ends it. */
  load(topic: Digest): () => void {
    const state = this.#topics.get(topic)
    if (!state) return () => {}
    state.loading++
    this.#links.load(1)
    let ended = false
    return () => {
      if (ended) return
      ended = true
      state.loading--
      this.#links.load(-1)
    }
  }

  async #provide(topic: Digest): Promise<void> {
    try {
      await this.#discovery?.provide(topic)
    } catch (error) {
      this.#context.logger.info('a topic could not be provided', { topic, error })
    }
  }

  async #search(topic: Digest): Promise<void> {
    try {
      const found = this.#discovery?.findPeers(topic, { signal: this.#controller.signal }) ?? []
      const isWelcome = this.#context.dialFilter.sieve()
      for await (const { foundBy, ...peer } of found) {
        if (foundBy !== 'dht' || isWelcome(peer.addresses)) this.#links.found(peer, foundBy)
      }
    } catch (error) {
      if (!this.#controller.signal.aborted) this.#context.logger.info('discovery failed', { topic, error })
    }
  }

  #leaveOldest(): void {
    for (const [topic, state] of this.#topics) {
      if (this.#topics.size <= maxTopics) return
      if (state.loading === 0) void this.leave(topic)
    }
  }

  #tellAgain(now: number): void {
    this.#toldMs = now
    for (const entry of this.#context.links.values()) {
      for (const topic of this.#topics.keys()) entry.link.send({ type: 'join', topic, asks: false })
    }
  }

  #armTimer(): void {
    this.#cancelTimer = this.#context.clock.after(lookEveryMs, () => {
      const now = this.#context.clock.monotonicMs()
      for (const [topic, state] of this.#topics) {
        if (state.loading > 0 && now >= state.askAgainMs) void this.look(topic)
      }
      if (now - this.#toldMs >= tellAgainMs) this.#tellAgain(now)
      this.#links.dismissGuests()
      this.#links.dialReady()
      this.#armTimer()
    })
  }
}
