import { digestToBytes, type Digest } from '../core/digest.ts'
import { assertNever } from '../core/errors.ts'
import { pieceLayout, type PieceLayout } from '../core/piece-layout.ts'
import type { RankedPeer } from '../engine/ranks.ts'
import { createTracker, stepTracker, trackerWakeAtMs, type TrackerState } from '../engine/tracker.ts'
import type { LeasedBlob, OwnAsk, TrackerEffect, TrackerEvent } from '../engine/tracker-event.ts'
import type { MemberAddresses } from '../net/member-addresses.ts'
import type { HoldOff, Join, LeaseAsk, LeaseMessage, Members } from '../wire/messages.ts'
import { limits } from '../wire/protocol.ts'
import type { InlineBlobs } from './inline-blobs.ts'
import type { JoinWalker } from './join-walker.ts'
import type { LeaseListener, Leases } from './leases.ts'
import { fromWireAsk, leaseAskMessage, leaseMessage, readGrants, runCount } from './lease-messages.ts'
import type { LinkManager } from './link-manager.ts'
import { OwnLeases } from './own-leases.ts'
import type { LinkEntry, SwarmContext } from './swarm-context.ts'

/** Nodes that are looked at for the ranks of a digest; more than are asked, for some are not nearer than we are. */
const ranksLookedAt = 8

/** What a {@link TrackerService} works with. */
export interface TrackerServiceInit {
  readonly context: SwarmContext
  readonly links: LinkManager
  readonly walker: JoinWalker
  readonly addresses: MemberAddresses
  readonly inline: InlineBlobs
  /** The peer has links enough: no blob moves between us. */
  readonly becameGuest: (entry: LinkEntry) => void
  /** A host wants to be left alone. */
  readonly heldOff: (topic: Digest, durationMs: number) => void
}

/** This node as a tracker, and on its way to the trackers of others: carries out what the engine decides. */
export class TrackerService implements Leases {
  readonly #init: TrackerServiceInit
  readonly #context: SwarmContext
  readonly #links: LinkManager
  readonly #state: TrackerState
  readonly #own: OwnLeases
  #timer: { dueMs: number; cancel: () => void } | undefined
  #closed = false

  constructor(init: TrackerServiceInit) {
    this.#init = init
    this.#context = init.context
    this.#links = init.links
    this.#own = new OwnLeases(init)
    this.#state = createTracker({ self: init.links.self, random: init.context.random })
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  opened(entry: LinkEntry): void {
    const { location } = entry.link.hello
    const peer = { key: entry.link.peerId, place: entry.place, supernode: entry.supernode, location }
    this.#dispatch({ type: 'link:opened', link: entry.id, peer })
  }

  linkClosed(entry: LinkEntry): void {
    this.#dispatch({ type: 'link:closed', link: entry.id })
  }

  ask(digest: Digest, layout: PieceLayout | undefined, ask: OwnAsk, listener: LeaseListener): void {
    this.#own.listen(digest, listener)
    const held = runCount(ask.held)
    if (ask.count > 0) this.#context.history.note(digest, { type: 'lease:asked', count: ask.count, held })
    this.#dispatch({ type: 'lease:wanted', blob: leasedBlob(digest, layout), ask, ranks: this.#ranks(digest) })
  }

  handIn(digest: Digest): void {
    this.#own.handIn(digest)
  }

  forget(digest: Digest, listener: LeaseListener): void {
    this.#own.forget(digest, listener)
  }

  joined(entry: LinkEntry, { topic, asks }: Join): void {
    const place = digestToBytes(topic)
    const taken = (): void => {
      const ranks = asks ? this.#ranks(topic) : []
      this.#dispatch({ type: 'topic:joined', link: entry.id, topic, place, asks, ranks })
    }
    if (asks) void this.#init.inline.offer(entry, topic).then(taken)
    else taken()
  }

  introduced(entry: LinkEntry, { topic, busy, guest, members, nearer }: Members): void {
    if (guest && !entry.guest) this.#init.becameGuest(entry)
    const { peerId } = entry.link
    const { closedNetwork } = this.#context
    const isWelcome = this.#context.dialFilter.sieve()
    const known = members.flatMap((member) => this.#links.introduced(member, closedNetwork, isWelcome) ?? [])
    const ranks = nearer.flatMap((member): RankedPeer[] => {
      const peer = this.#links.introduced(member, closedNetwork, isWelcome)
      return peer?.peerId !== undefined && peer.place
        ? [{ key: peer.peerId, place: peer.place, supernode: peer.supernode }]
        : []
    })
    this.#context.history.note(topic, {
      type: 'join:answered',
      peerId,
      members: known.length,
      nearer: ranks.length,
      busy,
    })
    this.#dispatch({ type: 'members:told', topic, members: known })
    this.#init.walker.answered(topic, { key: peerId, members: known.length, nearer: ranks, busy })
    this.#links.dialReady()
  }

  leaseAsked(entry: LinkEntry, message: LeaseAsk): void {
    const holder = this.#init.addresses.nameOf(message.holder)
    if (holder === undefined) return
    const { digest, sizeBytes } = message
    // Who gets the bytes needs no leave; the answer still goes, for it is waited for.
    if (message.count > 0 && sizeBytes <= limits.inlineBytes) void this.#init.inline.give(entry, digest)
    const layout = sizeBytes > 0 ? pieceLayout(sizeBytes) : undefined
    // For itself, or for another that is far from the tracker; who is a supernode is known of links only.
    const supernode = holder === entry.link.peerId && entry.supernode
    const ask = fromWireAsk(message, holder, supernode)
    this.#dispatch({ type: 'lease:asked', link: entry.id, blob: leasedBlob(digest, layout), ask, ranks: this.#ranks(digest) })
  }

  leaseTold(entry: LinkEntry, message: LeaseMessage): void {
    const holder = this.#init.addresses.nameOf(message.holder)
    if (holder === undefined) return
    const { digest, number, validMs, retryAfterMs } = message
    const grants = readGrants(message, (source) => this.#links.introduced(source, this.#context.closedNetwork)?.peerId)
    const answer = { number, validMs, retryAfterMs, grants }
    this.#dispatch({ type: 'lease:told', link: entry.id, digest, holder, answer })
  }

  /** A peer passes on that a host wants to be left alone. */
  holdOffTold(entry: LinkEntry, { topic, durationMs }: HoldOff): void {
    this.#init.heldOff(topic, durationMs)
    this.#dispatch({ type: 'host:held-off', topic, durationMs, link: entry.id, ranks: [] })
  }

  /** A host asked this node to be left alone: others are told. */
  holdOff(topic: Digest, durationMs: number): void {
    this.#dispatch({ type: 'host:held-off', topic, durationMs, link: undefined, ranks: this.#ranks(topic) })
  }

  #ranks(digest: Digest): RankedPeer[] {
    return this.#links.ranks(digestToBytes(digest), ranksLookedAt)
  }

  #dispatch(event: TrackerEvent): void {
    if (this.#closed) return
    for (const effect of stepTracker(this.#state, event, this.#now())) this.#carryOut(effect)
    this.#setTimer()
  }

  #carryOut(effect: TrackerEffect): void {
    switch (effect.type) {
      case 'introduce':
        void this.#introduce(effect)
        break
      case 'send-ask': {
        const { blob, ask, link } = effect
        const holder = this.#init.addresses.idOf(ask.holder)
        this.#send(link, leaseAskMessage(blob, ask, holder))
        break
      }
      case 'send-lease':
        void this.#sendLease(effect)
        break
      case 'connect':
        void this.#connect(effect.key)
        break
      case 'answer':
        void this.#own.answered(effect)
        break
      case 'silent':
        this.#own.silent(effect.digest)
        break
      case 'tracker-lost':
        this.#own.trackerLost(effect.digest)
        break
      case 'send-hold-off': {
        const { topic, durationMs } = effect
        this.#send(effect.link, { type: 'hold-off', topic, durationMs: Math.round(durationMs) })
        break
      }
      default:
        assertNever(effect)
    }
  }

  async #introduce({ link, topic, busy, ...named }: TrackerEffect & { type: 'introduce' }): Promise<void> {
    const describe = async (keys: readonly string[]): Promise<Members['members']> =>
      (await Promise.all(keys.map((key) => this.#links.describe(key)))).filter((member) => member !== undefined)
    const [members, nearer] = await Promise.all([describe(named.members), describe(named.nearer)])
    const guest = this.#context.links.get(link)?.guest ?? false
    this.#send(link, { type: 'members', topic, busy, guest, members, nearer })
  }

  async #sendLease({ link, digest, holder, answer }: TrackerEffect & { type: 'send-lease' }): Promise<void> {
    const sources = await Promise.all(
      answer.grants.map(async ({ source }) => (source === undefined ? undefined : this.#links.describe(source))),
    )
    this.#send(link, leaseMessage(digest, this.#init.addresses.idOf(holder), answer, sources))
  }

  async #connect(key: string): Promise<void> {
    if (await this.#links.connectTo(key)) return
    this.#dispatch({ type: 'connect:failed', key, refused: this.#links.wasRefused(key) })
  }

  #send(link: number, message: Parameters<LinkEntry['link']['send']>[0]): void {
    this.#context.links.get(link)?.link.send(message)
  }

  #setTimer(): void {
    const dueMs = trackerWakeAtMs(this.#state)
    if (this.#timer?.dueMs === dueMs) return
    this.#timer?.cancel()
    this.#timer = undefined
    if (dueMs === undefined || this.#closed) return
    const cancel = this.#context.clock.after(Math.max(0, dueMs - this.#now()), () => {
      this.#timer = undefined
      this.#dispatch({ type: 'tick' })
    })
    this.#timer = { dueMs, cancel }
  }

  #now(): number {
    return this.#context.clock.monotonicMs()
  }
}

/** While a blob's size is not known, leave is asked for the whole of it as if it were one piece. */
function leasedBlob(digest: Digest, layout: PieceLayout | undefined): LeasedBlob {
  const { pieceCount, pieceLength, sizeBytes } = layout ?? { pieceCount: 1, pieceLength: 1, sizeBytes: 0 }
  return { digest, place: digestToBytes(digest), pieceCount, pieceLength, sizeBytes }
}
