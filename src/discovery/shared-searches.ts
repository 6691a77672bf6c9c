import { abortable } from '../core/abortable.ts'
import type { Clock } from '../core/clock.ts'
import type { Digest } from '../core/digest.ts'
import type { KnownPeer } from './discovery.ts'

/** How long what was found answers for the topic, in milliseconds. */
const keptMs = 5000

/** One search at a time for a topic, however many ask; what it found is kept for five seconds. */
export class SharedSearches {
  readonly #clock: Clock
  readonly #search: (topic: Digest, signal: AbortSignal) => AsyncIterable<KnownPeer>
  readonly #searches = new Map<Digest, Search>()
  readonly #timers = new Set<() => void>()

  /** @param search - ends when it is aborted; its failure is its own to report */
  constructor(clock: Clock, search: (topic: Digest, signal: AbortSignal) => AsyncIterable<KnownPeer>) {
    this.#clock = clock
    this.#search = search
  }

  /** Yields all that the search for the topic finds, also what it found before. Leaving the loop ends it if nobody else reads. */
  async *read(topic: Digest, signal?: AbortSignal): AsyncGenerator<KnownPeer, void, undefined> {
    const running = this.#searches.get(topic)
    const search = running && !running.abandoned ? running : this.#start(topic)
    try {
      yield* search.read(signal)
    } finally {
      if (search.abandoned && this.#searches.get(topic) === search) this.#searches.delete(topic)
    }
  }

  close(): void {
    for (const search of this.#searches.values()) search.abort()
    for (const cancel of this.#timers) cancel()
    this.#searches.clear()
    this.#timers.clear()
  }

  #start(topic: Digest): Search {
    const search = new Search((signal) => this.#search(topic, signal))
    this.#searches.set(topic, search)
    void search.ended.then(() => this.#keep(topic, search))
    return search
  }

  /** A search that found nobody is not kept: the next one may meet a node that has just joined. */
  #keep(topic: Digest, search: Search): void {
    if (this.#searches.get(topic) !== search) return
    if (search.foundCount === 0) {
      this.#searches.delete(topic)
      return
    }
    const cancel = this.#clock.after(keptMs, () => {
      this.#timers.delete(cancel)
      this.#searches.delete(topic)
    })
    this.#timers.add(cancel)
  }
}

/** A search that any number of readers follow, each from its beginning. */
class Search {
  readonly ended: Promise<void>
  readonly #controller = new AbortController()
  readonly #found: KnownPeer[] = []
  #more = Promise.withResolvers<void>()
  #running = true
  #readers = 0

  constructor(run: (signal: AbortSignal) => AsyncIterable<KnownPeer>) {
    this.ended = this.#run(run)
  }

  get foundCount(): number {
    return this.#found.length
  }

  /** Whether it ended because nobody reads it any more. */
  get abandoned(): boolean {
    return this.#controller.signal.aborted
  }

  abort(): void {
    this.#controller.abort()
  }

  async *read(signal: AbortSignal | undefined): AsyncGenerator<KnownPeer, void, undefined> {
    this.#readers++
    try {
      for (let next = 0; next < this.#found.length || this.#running; ) {
        const peer = this.#found[next]
        if (peer) {
          next++
          yield peer
        } else {
          await abortable(this.#more.promise, signal)
        }
      }
    } finally {
      this.#readers--
      if (this.#readers === 0 && this.#running) this.abort()
    }
  }

  async #run(run: (signal: AbortSignal) => AsyncIterable<KnownPeer>): Promise<void> {
    try {
      for await (const peer of run(this.#controller.signal)) {
        this.#found.push(peer)
        this.#announce()
      }
    } finally {
      this.#running = false
      this.#announce()
    }
  }

  #announce(): void {
    this.#more.resolve()
    this.#more = Promise.withResolvers()
  }
}
