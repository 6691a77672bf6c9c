import type { Digest } from '../core/digest.ts'
import type { Random } from '../core/random.ts'
import type { LeaseAnswer } from './lease.ts'
import { LeaseBook } from './lease-book.ts'
import { compareRank, type RankedPeer } from './ranks.ts'
import type { LinkId } from './session-event.ts'
import { SilentNodes } from './silent-nodes.ts'
import type { LeasedBlob, TrackerEffect, TrackerEvent, TravellingAsk } from './tracker-event.ts'

/** How long a rank may take to be linked, and to answer, before the next one is asked; who forwards has given up before who asked it. */
const connectMs = 600
const answerMs = 1000
const forwardedAnswerMs = 400
/** Ranks that are asked for a lease. */
const ranksAsked = 3
const maxHops = 3
/** Asks of others that wait for a nearer node. */
const maxForwarded = 256
/** Who cannot be helped now comes back. */
const laterMs = 500
const maxBooks = 1024
const bookKeptMs = 600_000

/** What the desk needs to know of its node. */
export interface LeaseDeskInit {
  readonly self: RankedPeer & { readonly region: string }
  readonly random: Random
  readonly linkTo: (key: string) => LinkId | undefined
}

/** An ask on its way: ours, or one that we forward. */
interface Pending {
  readonly blob: LeasedBlob
  readonly ask: TravellingAsk
  /** Who handed it to us; nobody for our own. */
  readonly from: LinkId | undefined
  /** Whom to ask, nearest first; `self` stands for us. */
  readonly order: readonly (RankedPeer | 'self')[]
  index: number
  sent: boolean
  /** A nearer node is there, and could not take us in: what it issues must not be issued here too. */
  refused: boolean
  dueMs: number
}

/** Issues leases for the blobs that this node tracks, and carries asks to those who track others. */
export class LeaseDesk {
  readonly #init: LeaseDeskInit
  readonly #books = new Map<string, LeaseBook>()
  readonly #pending = new Map<string, Pending>()
  readonly #silent = new SilentNodes()
  /** Who answered our last ask for each blob. */
  readonly #trackers = new Map<Digest, string>()

  constructor(init: LeaseDeskInit) {
    this.#init = init
  }

  get books(): ReadonlyMap<string, LeaseBook> {
    return this.#books
  }

  get isWaiting(): boolean {
    return this.#pending.size > 0
  }

  /** Our own session asks. */
  want(event: TrackerEvent & { type: 'lease:wanted' }, now: number, effects: TrackerEffect[]): void {
    const { self } = this.#init
    const { blob } = event
    const ask = { ...event.ask, holder: self.key, region: self.region, supernode: self.supernode, takeover: false, hops: 0 }
    const key = pendingKey(blob.digest, self.key)
    if (ask.count === 0 && ask.held.length === 0) return this.#giveBack(blob, ask, now, effects)
    const order = this.#order(blob, this.#silent.others(event.ranks, now))
    this.#start(key, { blob, ask, from: undefined, order, index: 0, sent: false, refused: false, dueMs: 0 }, now, effects)
  }

  /** Another node asks, for itself or for a third. */
  asked(event: TrackerEvent & { type: 'lease:asked' }, now: number, effects: TrackerEffect[]): void {
    const { blob, ask, link } = event
    const nearer = ask.hops < maxHops ? this.#nearerThanUs(blob, this.#silent.others(event.ranks, now)).filter(({ key }) => key !== ask.holder) : []
    const [best] = nearer
    if (!best) return this.#issue({ blob, ask, from: link }, now, effects)
    if (this.#pending.size >= maxForwarded) {
      effects.push({ type: 'send-lease', link, digest: blob.digest, holder: ask.holder, answer: later })
      return
    }
    const key = pendingKey(blob.digest, ask.holder)
    const order = [best, 'self' as const]
    this.#start(key, { blob, ask, from: link, order, index: 0, sent: false, refused: false, dueMs: 0 }, now, effects)
  }

  /** A nearer node answered. */
  told(event: TrackerEvent & { type: 'lease:told' }, effects: TrackerEffect[]): void {
    const { digest, holder, answer, link } = event
    const key = pendingKey(digest, holder)
    const pending = this.#pending.get(key)
    const asked = pending?.order[pending.index]
    if (!pending?.sent || asked === undefined || asked === 'self') return
    if (this.#init.linkTo(asked.key) !== link) return
    this.#pending.delete(key)
    if (pending.from === undefined) this.#answer(digest, answer, asked.key, effects)
    else effects.push({ type: 'send-lease', link: pending.from, digest, holder, answer })
  }

  opened(key: string, now: number, effects: TrackerEffect[]): void {
    for (const [id, pending] of this.#pending) {
      if (!pending.sent && isAsked(pending, key)) this.#tryRank(id, pending, now, effects)
    }
  }

  /** Who cannot be reached, or was lost, is passed over. */
  failed(key: string, refused: boolean, now: number, effects: TrackerEffect[]): void {
    for (const [id, pending] of this.#pending) {
      if (!isAsked(pending, key)) continue
      pending.refused ||= refused
      this.#next(id, pending, now, effects)
    }
  }

  closed(link: LinkId, key: string, now: number, effects: TrackerEffect[]): void {
    for (const [id, pending] of this.#pending) if (pending.from === link) this.#pending.delete(id)
    this.failed(key, false, now, effects)
    for (const book of this.#books.values()) book.gone(key, now)
    for (const [digest, tracker] of this.#trackers) {
      if (tracker === key) effects.push({ type: 'tracker-lost', digest })
    }
  }

  /** A node said something: it is there. */
  heard(key: string): void {
    this.#silent.heard(key)
  }

  tick(now: number, effects: TrackerEffect[]): void {
    for (const [id, pending] of this.#pending) {
      if (now < pending.dueMs) continue
      this.#noteSilence(pending, now)
      this.#next(id, pending, now, effects)
    }
    for (const [id, book] of this.#books) if (now - book.usedMs > bookKeptMs) this.#books.delete(id)
  }

  /** When the next ask has waited long enough. */
  wakeAtMs(): number | undefined {
    let soonest: number | undefined
    for (const { dueMs } of this.#pending.values()) soonest = Math.min(soonest ?? Infinity, dueMs)
    return soonest
  }

  #noteSilence(pending: Pending, now: number): void {
    const rank = pending.order[pending.index]
    if (rank === undefined || rank === 'self') return
    if (!this.#silent.note(rank.key, pending.sent, now)) pending.refused = true
  }

  #start(key: string, pending: Pending, now: number, effects: TrackerEffect[]): void {
    this.#pending.set(key, pending)
    this.#tryRank(key, pending, now, effects)
  }

  #tryRank(id: string, pending: Pending, now: number, effects: TrackerEffect[]): void {
    const rank = pending.order[pending.index]
    if (rank === undefined) {
      this.#pending.delete(id)
      if (pending.from === undefined) effects.push({ type: 'silent', digest: pending.blob.digest })
      return
    }
    if (rank === 'self') {
      this.#pending.delete(id)
      if (pending.refused) this.#postpone(pending, effects)
      else this.#issue(pending, now, effects)
      return
    }
    const link = this.#init.linkTo(rank.key)
    if (link === undefined) {
      pending.dueMs = now + connectMs
      effects.push({ type: 'connect', key: rank.key })
      return
    }
    pending.sent = true
    pending.dueMs = now + (pending.from === undefined ? answerMs : forwardedAnswerMs)
    effects.push({ type: 'send-ask', link, blob: pending.blob, ask: this.#travelling(pending, rank.key) })
  }

  /** Who is nearer is busy: it can be asked again soon. */
  #postpone({ blob, ask, from }: Pending, effects: TrackerEffect[]): void {
    const { digest } = blob
    if (from === undefined) effects.push({ type: 'answer', digest, answer: later, from: this.#init.self.key })
    else effects.push({ type: 'send-lease', link: from, digest, holder: ask.holder, answer: later })
  }

  #next(id: string, pending: Pending, now: number, effects: TrackerEffect[]): void {
    pending.index++
    pending.sent = false
    this.#tryRank(id, pending, now, effects)
  }

  #travelling({ blob, ask, from }: Pending, to: string): TravellingAsk {
    if (from !== undefined) return { ...ask, hops: ask.hops + 1 }
    return { ...ask, takeover: this.#isTakeover(blob.digest, to) }
  }

  /** We know that somebody else was this blob's tracker. */
  #isTakeover(digest: Digest, to: string): boolean {
    const before = this.#trackers.get(digest)
    return before !== undefined && before !== to
  }

  #issue({ blob, ask, from }: Pick<Pending, 'blob' | 'ask' | 'from'>, now: number, effects: TrackerEffect[]): void {
    const { self, random } = this.#init
    const takeover = from === undefined ? this.#isTakeover(blob.digest, self.key) : ask.takeover
    const answer = this.#book(blob).ask({ ...ask, takeover }, now, random.next())
    if (from === undefined) this.#answer(blob.digest, answer, self.key, effects)
    else effects.push({ type: 'send-lease', link: from, digest: blob.digest, holder: ask.holder, answer })
  }

  #answer(digest: Digest, answer: LeaseAnswer, from: string, effects: TrackerEffect[]): void {
    this.#trackers.delete(digest)
    this.#trackers.set(digest, from)
    const [oldest] = this.#trackers.keys()
    if (this.#trackers.size > maxBooks && oldest !== undefined) this.#trackers.delete(oldest)
    effects.push({ type: 'answer', digest, answer, from })
  }

  /** Nobody waits for the answer. */
  #giveBack(blob: LeasedBlob, ask: TravellingAsk, now: number, effects: TrackerEffect[]): void {
    this.#pending.delete(pendingKey(blob.digest, ask.holder))
    const tracker = this.#trackers.get(blob.digest)
    this.#trackers.delete(blob.digest)
    if (tracker === undefined) return
    if (tracker === this.#init.self.key) {
      this.#book(blob).ask(ask, now, 0)
      return
    }
    const link = this.#init.linkTo(tracker)
    if (link !== undefined) effects.push({ type: 'send-ask', link, blob, ask })
  }

  #order(blob: LeasedBlob, ranks: readonly RankedPeer[]): (RankedPeer | 'self')[] {
    const nearer = this.#nearerThanUs(blob, ranks)
    if (nearer.length < ranksAsked) return [...nearer, 'self']
    return nearer.slice(0, ranksAsked)
  }

  #nearerThanUs(blob: LeasedBlob, ranks: readonly RankedPeer[]): RankedPeer[] {
    const { self } = this.#init
    return ranks
      .filter((peer) => compareRank(peer, self, blob.place) < 0)
      .toSorted((a, b) => compareRank(a, b, blob.place))
  }

  #book({ digest, sizeBytes, pieceCount, pieceLength }: LeasedBlob): LeaseBook {
    // Who lies about a blob's size shares a book with others who tell the same lie.
    const key = `${digest}/${sizeBytes}`
    const book = this.#books.get(key) ?? new LeaseBook(pieceCount, pieceLength)
    // The last used stands last: the first of a full map is the longest unused.
    this.#books.delete(key)
    this.#books.set(key, book)
    const [oldest] = this.#books.keys()
    if (this.#books.size > maxBooks && oldest !== undefined) this.#books.delete(oldest)
    return book
  }
}

const later: LeaseAnswer = { number: 0, validMs: 0, retryAfterMs: laterMs, grants: [] }

function pendingKey(digest: Digest, holder: string): string {
  return `${digest}/${holder}`
}

function isAsked(pending: Pending, key: string): boolean {
  const asked = pending.order[pending.index]
  return asked !== undefined && asked !== 'self' && asked.key === key
}
