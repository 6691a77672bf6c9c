import { seededRandom } from '../../src/core/random.ts'
import { LinkBook } from '../../src/engine/links.ts'
import type { RankedPeer } from '../../src/engine/ranks.ts'
import type { LinkId } from '../../src/engine/session-event.ts'
import type { ChaosSwarm } from './chaos-swarm.ts'
import type { ChaosTracker } from './chaos-tracker.ts'
import { keyOf } from './node-keys.ts'
import type { TrackerSeat } from './tracker-seat.ts'

/** As in production: nodes that are looked at for the ranks of a digest. */
const ranksLookedAt = 8
const maxLinks = 64
/** Longer than any message travels. */
const openMs = 200

export interface ChaosViewInit {
  readonly swarm: ChaosSwarm
  readonly tracker: ChaosTracker
  readonly later: (delayMs: number, run: () => void) => void
}

type Linked = (link: LinkId | undefined) => void

/** Whom one node knows, by the production link book, and its dials. */
export class ChaosView {
  readonly #init: ChaosViewInit
  readonly #book: LinkBook
  readonly #linkTo = new Map<string, LinkId>()
  /** Who waits for the end of each dial. */
  readonly #dials = new Map<string, Linked[]>()
  readonly #idle: (() => void)[] = []

  constructor(init: ChaosViewInit) {
    this.#init = init
    const { swarm, tracker } = init
    const { ranked, region, knows } = tracker.seat
    this.#book = new LinkBook(ranked.key, maxLinks, seededRandom(swarm.random.below(2 ** 32)), {
      location: { region, zone: '', rack: '' },
      supernode: ranked.supernode,
      placeOf: (key) => swarm.seatOf(key).ranked.place,
    })
    for (const index of knows) this.introduced(keyOf(index))
  }

  ranks(): RankedPeer[] {
    const { swarm } = this.#init
    const nearest = this.#book.nearest(swarm.blob.place, ranksLookedAt, swarm.time.now)
    return nearest.map(({ key }) => swarm.seatOf(key).ranked)
  }

  estimateNodeCount(): number {
    return this.#book.estimateNodeCount()
  }

  /** Somebody names a node; its address is known from then on. */
  introduced(key: string): TrackerSeat | undefined {
    const seat = this.#init.swarm.seatOf(key)
    const location = { region: seat.region, zone: '', rack: '' }
    const news = { peerId: key, addresses: [`/${key}`], location, supernode: seat.ranked.supernode }
    return this.#book.found(news, 'tracker') && seat
  }

  linked(link: LinkId, { key, supernode }: RankedPeer, region: string): void {
    this.#linkTo.set(key, link)
    this.#book.linked(key, false, { location: { region, zone: '', rack: '' }, supernode })
    // As in production, whoever waits for the link hears of it when the session has.
    this.#init.later(0, () => this.#dialEnded(key))
  }

  closed(link: LinkId, key: string): void {
    if (this.#linkTo.get(key) !== link) return
    this.#linkTo.delete(key)
    this.#book.closed(key, this.#init.swarm.time.now)
  }

  /** The link to a node, when there is one, or when it is known that there is none. */
  connect(key: string, done: Linked): void {
    const link = this.#linkTo.get(key)
    if (link !== undefined) return done(link)
    if (this.#book.mayDial(key)) this.#dial(key)
    const waiting = this.#dials.get(key)
    if (waiting) waiting.push(done)
    else done(undefined)
  }

  connectAll(keys: readonly string[], withinMs: number, done: (links: readonly (LinkId | undefined)[]) => void): void {
    let waiting = keys.length
    let over = false
    const end = (): void => {
      if (over) return
      over = true
      done(keys.map((key) => this.#linkTo.get(key)))
    }
    if (waiting === 0) return end()
    this.#init.later(withinMs, end)
    for (const key of keys) this.connect(key, () => --waiting === 0 && end())
  }

  /** Dials whom the book wants. */
  dialReady(): void {
    for (const { key } of this.#book.toDial(this.#init.swarm.time.now)) this.#dial(key)
  }

  /** Calls back when the dials that are under way have ended, or took too long. */
  whenIdle(withinMs: number, done: () => void): void {
    if (this.#dials.size === 0) return done()
    let over = false
    const end = (): void => {
      if (!over) done()
      over = true
    }
    this.#idle.push(end)
    this.#init.later(withinMs, end)
  }

  #dial(key: string): void {
    if (this.#dials.has(key)) return
    this.#dials.set(key, [])
    const { swarm, tracker, later } = this.#init
    const { delayMs, reached } = swarm.dial(tracker.node, key)
    const fail = (): void => {
      if (this.#linkTo.has(key) || !this.#dials.has(key)) return
      this.#book.dialFailed(key, swarm.time.now)
      this.#dialEnded(key)
    }
    later(delayMs, () => {
      if (this.#linkTo.has(key)) return
      // The other end may have opened a link that is not open here yet, and may be lost on its way.
      if (reached()) later(openMs, fail)
      else fail()
    })
  }

  #dialEnded(key: string): void {
    const waiting = this.#dials.get(key) ?? []
    this.#dials.delete(key)
    for (const done of waiting) done(this.#linkTo.get(key))
    if (this.#dials.size === 0) for (const idle of this.#idle.splice(0)) idle()
  }
}
