import { digestToBytes, type Digest } from '../core/digest.ts'
import { JoinWalk, type WalkEffect, type WalkEvent } from '../engine/join-walk.ts'
import type { LinkManager } from './link-manager.ts'
import type { SwarmContext } from './swarm-context.ts'

/** Nodes near a topic that a walk begins with. */
const firstCandidates = 8

interface Walking {
  readonly walk: JoinWalk
  readonly done: Promise<void>
  readonly end: () => void
  cancelTimer: () => void
}

/** Walks towards topics: links to the nodes nearest to them, and joins there. */
export class JoinWalker {
  readonly #context: SwarmContext
  readonly #links: LinkManager
  readonly #isLoading: (topic: Digest) => boolean
  readonly #walks = new Map<Digest, Walking>()
  #closed = false

  /** @param isLoading - whether new peers are asked about a topic in any case */
  constructor(context: SwarmContext, links: LinkManager, isLoading: (topic: Digest) => boolean) {
    this.#context = context
    this.#links = links
    this.#isLoading = isLoading
  }

  /** Resolves when the walk is over. Calls for one topic share a walk; none begins after the end. */
  walk(topic: Digest): Promise<void> {
    if (this.#closed) return Promise.resolve()
    const before = this.#walks.get(topic)
    if (before) return before.done
    const place = digestToBytes(topic)
    const { promise, resolve } = Promise.withResolvers<void>()
    const walking: Walking = {
      walk: new JoinWalk(place, this.#links.self),
      done: promise,
      end: resolve,
      cancelTimer: () => {},
    }
    this.#walks.set(topic, walking)
    this.#carryOut(topic, walking, walking.walk.start(this.#links.nearest(place, firstCandidates), this.#now()))
    return promise
  }

  /** A peer named members, and nodes nearer to the topic. */
  answered(topic: Digest, event: Omit<WalkEvent & { type: 'answered' }, 'type'>): void {
    this.#tell(topic, { type: 'answered', ...event })
  }

  close(): void {
    this.#closed = true
    for (const [topic, walking] of this.#walks) this.#end(topic, walking)
  }

  #tell(topic: Digest, event: WalkEvent): void {
    const walking = this.#walks.get(topic)
    if (walking) this.#carryOut(topic, walking, walking.walk.step(event, this.#now()))
  }

  #carryOut(topic: Digest, walking: Walking, effects: readonly WalkEffect[]): void {
    for (const effect of effects) {
      if (effect.type === 'done') return this.#end(topic, walking)
      void this.#ask(topic, effect.key)
    }
    walking.cancelTimer()
    const { dueMs } = walking.walk
    if (dueMs === undefined) return
    walking.cancelTimer = this.#context.clock.after(Math.max(0, dueMs - this.#now()), () =>
      this.#tell(topic, { type: 'tick' }),
    )
  }

  async #ask(topic: Digest, key: string): Promise<void> {
    this.#context.history.note(topic, { type: 'join:asked', peerId: key })
    const wasLinked = this.#links.entryTo(key) !== undefined
    const entry = await this.#links.connectTo(key)
    // A new peer is asked about all that we load as soon as it is linked.
    if (entry && (wasLinked || !this.#isLoading(topic))) entry.link.send({ type: 'join', topic, asks: true })
    if (!entry) this.#tell(topic, { type: 'failed', key })
  }

  #end(topic: Digest, walking: Walking): void {
    walking.cancelTimer()
    this.#walks.delete(topic)
    walking.end()
  }

  #now(): number {
    return this.#context.clock.monotonicMs()
  }
}

