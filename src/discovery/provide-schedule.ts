import type { Digest } from '../core/digest.ts'
import { maxTopicsPerNode } from './provider-records.ts'
import { Repeater, type RepeaterContext } from './repeater.ts'
import { Slots } from './slots.ts'

/** Well within the hour that a record is valid: two attempts may fail before it is over. */
const reprovideEveryMs = 22 * 60_000
/** A walk talks to 20 nodes and more; a node that starts with 256 topics does not begin them all at once. */
const walksAtOnce = 4

/** Provides the most recent topics, again and again. */
export class ProvideSchedule {
  readonly #context: RepeaterContext
  readonly #publish: (topic: Digest, signal: AbortSignal) => Promise<boolean>
  readonly #topics = new Map<Digest, Repeater>()
  readonly #slots = new Slots(walksAtOnce)

  /** @param publish - provides once; resolves to whether any node took the record */
  constructor(context: RepeaterContext, publish: (topic: Digest, signal: AbortSignal) => Promise<boolean>) {
    this.#context = context
    this.#publish = publish
  }

  /** Adds a topic, or makes it the most recent one; returns the one that gave way to it. */
  add(topic: Digest): Digest | undefined {
    const repeater = this.#topics.get(topic) ?? this.#start(topic)
    this.#topics.delete(topic)
    this.#topics.set(topic, repeater)
    const [oldest] = this.#topics.keys()
    if (this.#topics.size <= maxTopicsPerNode || oldest === undefined) return undefined
    this.remove(oldest)
    return oldest
  }

  /** True when the topic was there. */
  remove(topic: Digest): boolean {
    void this.#topics.get(topic)?.close()
    return this.#topics.delete(topic)
  }

  /** The DHT has its first node: what could not be provided now can. */
  wake(): void {
    for (const repeater of this.#topics.values()) repeater.wake()
  }

  /** Ends it; returns the topics that it had. */
  async close(): Promise<Digest[]> {
    const topics = [...this.#topics.keys()]
    await Promise.all([...this.#topics.values()].map((repeater) => repeater.close()))
    this.#topics.clear()
    return topics
  }

  #start(topic: Digest): Repeater {
    return new Repeater(this.#context, {
      name: `providing ${topic}`,
      periodMs: reprovideEveryMs,
      maxRetryMs: reprovideEveryMs,
      attempt: (signal) => this.#slots.run(signal, () => this.#publish(topic, signal)),
    })
  }
}
