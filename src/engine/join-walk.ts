import { compareRank, type RankedPeer } from './ranks.ts'

/** Answers that lead on: in a network of a million nodes that know twenty at each distance, three lead to the nearest. */
const maxHops = 3
/** Nodes that are asked in all, those who do not answer included. */
const maxAttempts = 6
/** How long one may take to be linked and to answer. */
const attemptMs = 250
/** With so many members there is no need to walk on. */
const enoughMembers = 8

/** What a walk is told. */
export type WalkEvent =
  | { readonly type: 'answered'; readonly key: string; readonly members: number; readonly nearer: readonly RankedPeer[]; readonly busy: boolean }
  | { readonly type: 'failed'; readonly key: string }
  | { readonly type: 'tick' }

/** What a walk asks for: to be linked to a node and join there, or nothing more. */
export type WalkEffect = { readonly type: 'ask'; readonly key: string } | { readonly type: 'done' }

/** A node on its way to the nodes nearest to a topic, which know who gathers there. */
export class JoinWalk {
  readonly #topic: Uint8Array
  readonly #self: RankedPeer
  readonly #candidates = new Map<string, RankedPeer>()
  readonly #asked = new Set<string>()
  readonly #answeredBy = new Set<string>()
  /** Who answered last: only nodes nearer than that lead on. */
  #best: RankedPeer | undefined
  #hops = 0
  #members = 0
  #waitsFor: string | undefined
  #dueMs = 0
  #done = false

  constructor(topic: Uint8Array, self: RankedPeer) {
    this.#topic = topic
    this.#self = self
  }

  get done(): boolean {
    return this.#done
  }

  /** When a tick is due, while it waits for an answer. */
  get dueMs(): number | undefined {
    return this.#waitsFor === undefined ? undefined : this.#dueMs
  }

  /** @param ranks - the nearest nodes that are known */
  start(ranks: readonly RankedPeer[], now: number): WalkEffect[] {
    this.#add(ranks)
    return this.#next(now)
  }

  step(event: WalkEvent, now: number): WalkEffect[] {
    if (this.#done) return []
    switch (event.type) {
      case 'answered':
        return this.#answered(event, now)
      case 'failed':
        return event.key === this.#waitsFor ? this.#next(now) : []
      case 'tick':
        return this.#waitsFor !== undefined && now >= this.#dueMs ? this.#next(now) : []
    }
  }

  #answered(event: WalkEvent & { type: 'answered' }, now: number): WalkEffect[] {
    if (!this.#asked.has(event.key)) return []
    this.#add(event.nearer)
    // Whoever is linked on the way hears of the topic twice, and answers twice.
    if (this.#answeredBy.has(event.key)) return []
    this.#answeredBy.add(event.key)
    this.#members += event.members
    if (event.busy) return event.key === this.#waitsFor ? this.#next(now) : []
    const answerer = this.#candidates.get(event.key)
    if (answerer && (!this.#best || this.#compare(answerer, this.#best) < 0)) this.#best = answerer
    this.#hops++
    if (this.#members >= enoughMembers || this.#hops >= maxHops) return this.#end()
    // A late answer adds what it knows; the one that is waited for goes on.
    return event.key === this.#waitsFor ? this.#next(now) : []
  }

  #add(ranks: readonly RankedPeer[]): void {
    for (const rank of ranks) {
      if (rank.key !== this.#self.key && !this.#candidates.has(rank.key)) this.#candidates.set(rank.key, rank)
    }
  }

  #next(now: number): WalkEffect[] {
    const next = this.#asked.size < maxAttempts ? this.#nearestUnasked() : undefined
    if (!next) return this.#end()
    this.#asked.add(next.key)
    this.#waitsFor = next.key
    this.#dueMs = now + attemptMs
    return [{ type: 'ask', key: next.key }]
  }

  #nearestUnasked(): RankedPeer | undefined {
    let nearest: RankedPeer | undefined
    for (const candidate of this.#candidates.values()) {
      if (this.#asked.has(candidate.key)) continue
      if (this.#best && (this.#compare(candidate, this.#best) >= 0 || this.#compare(candidate, this.#self) >= 0)) continue
      if (!nearest || this.#compare(candidate, nearest) < 0) nearest = candidate
    }
    return nearest
  }

  #compare(a: RankedPeer, b: RankedPeer): number {
    return compareRank(a, b, this.#topic)
  }

  #end(): WalkEffect[] {
    this.#done = true
    this.#waitsFor = undefined
    return [{ type: 'done' }]
  }
}
