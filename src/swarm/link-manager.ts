import { PeerError } from '../core/errors.ts'
import { LruMap } from '../core/lru-map.ts'
import { FlapBook } from '../engine/flap-book.ts'
import type { LinkBook, KnownPeerState } from '../engine/links.ts'
import { distanceOf, farDistance } from '../engine/location.ts'
import type { RankedPeer } from '../engine/ranks.ts'
import type { LinkId } from '../engine/session-event.ts'
import type { KnownPeer } from '../discovery/discovery.ts'
import type { Link } from '../net/link.ts'
import { isNobodyThere } from '../net/dial-node.ts'
import type { LinkHost } from '../net/link-host.ts'
import type { MemberAddresses } from '../net/member-addresses.ts'
import type { Location, Member } from '../wire/messages.ts'
import { InFlightBudget } from './in-flight-budget.ts'
import { RequestLane } from './request-lane.ts'
import { placeOf } from './node-order.ts'
import type { LinkEntry, SwarmContext } from './swarm-context.ts'

const dialTimeoutMs = 10_000
const maxRefusals = 1024
/** A guest that says nothing for so long has what it came for. */
const guestMs = 1000

/** Ways of finding peers in which the peers say themselves where they are; all others were set up by the user. */
const advertised: ReadonlySet<string> = new Set(['dht', 'mdns', 'tracker'])

/** What is told of links as they come and go. */
export interface LinkManagerHandlers {
  opened(entry: LinkEntry): void
  closed(entry: LinkEntry): void
}

/** What a {@link LinkManager} works with. */
export interface LinkManagerInit {
  readonly context: SwarmContext & { readonly links: Map<LinkId, LinkEntry> }
  readonly host: LinkHost
  readonly book: LinkBook
  readonly addresses: MemberAddresses
  readonly self: RankedPeer & { readonly location: Location }
  readonly handlers: LinkManagerHandlers
  /** Whether a peer that says it is a supernode is one for us. */
  readonly isSupernode: (link: Link) => boolean
}

/** The links of this node, and whom it dials: as the engine's book decides. */
export class LinkManager {
  readonly #init: LinkManagerInit
  readonly #context: LinkManagerInit['context']
  readonly #budget: InFlightBudget
  readonly #book: LinkBook
  readonly #byPeer = new Map<string, LinkEntry>()
  readonly #dials = new Map<string, Promise<void>>()
  /** By peer: whether the last dial that failed found somebody there. */
  readonly #refusals = new LruMap<string, boolean>(maxRefusals)
  readonly #flaps = new FlapBook()
  readonly #controller = new AbortController()
  #loads = 0
  #nextLinkId = 1

  constructor(init: LinkManagerInit) {
    this.#init = init
    this.#context = init.context
    this.#book = init.book
    this.#budget = new InFlightBudget(init.context.inFlightBytes)
  }

  /** This node, as others rank it. */
  get self(): LinkManagerInit['self'] {
    return this.#init.self
  }

  async close(): Promise<void> {
    this.#controller.abort()
    await Promise.allSettled(this.#dials.values())
  }

  /** Links to a peer that is worth it whatever the topic; says whether there is a link now. */
  async connect(peer: KnownPeer, foundBy: string): Promise<boolean> {
    const usable = this.#usable(peer, foundBy)
    const known = usable && this.#book.found(usable, foundBy)
    return known !== undefined && (await this.#dialled(known)) !== undefined
  }

  /** The link to a known peer; there is none when it cannot be reached. */
  async connectTo(key: string): Promise<LinkEntry | undefined> {
    const known = this.#book.get(key)
    return known && this.#dialled(known)
  }

  /** A peer that may be worth a link. */
  found(peer: KnownPeer, foundBy: string): void {
    const usable = this.#usable(peer, foundBy)
    if (usable) this.#book.found(usable, foundBy)
    this.dialReady()
  }

  /** A node that exists: it has its rank, and is not dialled for more than that. */
  met(peer: KnownPeer): void {
    const usable = this.#usable(peer, 'dht')
    if (usable) this.#book.met(usable)
  }

  /**
   * A member that a peer named; `undefined` when it makes no sense to us.
   * @param isWelcome - whether a peer with these addresses is not one too many
   */
  introduced(
    member: Member,
    asSupernode: boolean,
    isWelcome: (addresses: readonly string[]) => boolean = () => true,
  ): KnownPeerState | undefined {
    const named = this.#init.addresses.read(member)
    const peer = named && this.#usable(named, 'tracker')
    const { location, supernode } = member
    if (!peer || !isWelcome(peer.addresses)) return undefined
    return this.#book.found({ ...peer, location, supernode: supernode && asSupernode }, 'tracker')
  }

  /** How to find a peer, for others; `undefined` when nobody can be sent to it. */
  async describe(key: string): Promise<Member | undefined> {
    const known = this.#book.get(key)
    if (!known?.peerId) return undefined
    const { peerId, addresses, location, supernode } = known
    return this.#init.addresses.describe({ peerId, addresses, location, supernode })
  }

  /** Known peers that can be asked now, by their rank for a place; without this node. */
  nearest(place: Uint8Array, count: number): RankedPeer[] {
    return ranked(this.#book.nearest(place, count, this.#now()))
  }

  /** The same, with those that could not be reached a moment ago. */
  ranks(place: Uint8Array, count: number): RankedPeer[] {
    return ranked(this.#book.ranks(place, count))
  }

  /** The peer has links enough: it is only asked, and not for pieces. */
  becameGuest(entry: LinkEntry): void {
    entry.guest = true
    this.#book.becameGuest(entry.link.peerId)
  }

  /** How many nodes there are, as far as this one can tell. */
  estimateNodeCount(): number {
    return this.#book.estimateNodeCount()
  }

  /** One load more that needs peers, or one fewer. */
  load(change: 1 | -1): void {
    this.#loads += change
    this.dialReady()
  }

  /** Dials whom the book wants while something is loading. */
  dialReady(): void {
    if (this.#controller.signal.aborted || this.#loads === 0) return
    for (const peer of this.#book.toDial(this.#now())) this.#startDial(peer)
  }

  /** Whether the last dial of a peer that failed found it there, but full. */
  wasRefused(key: string): boolean {
    return this.#refusals.get(key) ?? false
  }

  /** Guests that have what they came for make room. */
  dismissGuests(): void {
    const silentSinceMs = this.#now() - guestMs
    for (const entry of this.#byPeer.values()) if (entry.guest && entry.heardMs < silentSinceMs) entry.link.close()
  }

  /** Resolves when the dials that are under way have ended, or `withinMs` are over. */
  async dialsDone(withinMs: number): Promise<void> {
    if (this.#dials.size === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.#context.clock.after(withinMs, resolve)
    await Promise.race([promise, Promise.allSettled(this.#dials.values())])
    cancel()
  }

  opened(link: Link): void {
    const { handlers, self, isSupernode } = this.#init
    // Dialled by its address alone, it is known by that until now.
    if (!this.#flaps.mayLink(link.peerId, this.#now())) {
      return link.close(new PeerError('ERR_PEER_REFUSED', 'the peer left in the middle of what it gave, and has to wait'))
    }
    if (!link.inbound) this.#book.identified(link.remoteAddress.replace(/\/p2p\/[^/]+$/, ''), link.peerId)
    const { location } = link.hello
    const supernode = link.hello.supernode && isSupernode(link)
    const guest = link.inbound && !this.#book.mayAccept({ location, supernode }, this.#loadingLinks())
    if (guest && !this.#book.hasGuestRoom) return link.close()
    const known = this.#book.linked(link.peerId, link.inbound, { location, supernode, guest })
    const entry: LinkEntry = {
      id: this.#nextLinkId++,
      link,
      lane: new RequestLane(link, this.#budget),
      place: placeOf(link.peerIdBytes),
      supernode,
      guest,
      heardMs: this.#now(),
      distance: distanceOf(self.location, location),
      foundBy: known.foundBy,
      topics: new Set(),
      blobs: new Set(),
    }
    this.#byPeer.set(link.peerId, entry)
    this.#context.links.set(entry.id, entry)
    handlers.opened(entry)
    this.#context.emit('peer:linked', { peerId: link.peerId, foundBy: [...entry.foundBy] })
  }

  /** @param byPeer - whether the peer ended it, or the way to it */
  closed(link: Link, byPeer = false): void {
    const entry = this.#byPeer.get(link.peerId)
    if (!entry || entry.link !== link) return
    this.#byPeer.delete(link.peerId)
    this.#context.links.delete(entry.id)
    this.#book.closed(link.peerId, this.#now())
    if (byPeer) this.#flaps.ended(link.peerId, entry.lane.pieces, this.#now())
    this.#init.handlers.closed(entry)
    this.#context.emit('peer:unlinked', { peerId: link.peerId, foundBy: [...entry.foundBy] })
  }

  entryOf(link: Link): LinkEntry | undefined {
    const entry = this.#byPeer.get(link.peerId)
    return entry?.link === link ? entry : undefined
  }

  /** The open link to a peer. */
  entryTo(peerId: string): LinkEntry | undefined {
    return this.#byPeer.get(peerId)
  }

  /** Links between nodes of which one loads at least; those of supernodes and guests, and to other regions, aside. */
  #loadingLinks(): number {
    let count = 0
    for (const { supernode, guest, distance, blobs } of this.#byPeer.values()) {
      if (!supernode && !guest && distance !== farDistance && (this.#loads > 0 || blobs.size > 0)) count++
    }
    return count
  }

  async #dialled(known: KnownPeerState): Promise<LinkEntry | undefined> {
    if (this.#book.mayDial(known.key)) this.#startDial(known)
    await this.#dials.get(known.key)
    // The peer behind an address has a name by now.
    return this.#byPeer.get(this.#book.get(known.key)?.peerId ?? '')
  }

  #startDial(peer: KnownPeerState): void {
    const dial = this.#dial(peer.key, peer).finally(() => {
      if (this.#dials.get(peer.key) === dial) this.#dials.delete(peer.key)
    })
    this.#dials.set(peer.key, dial)
  }

  async #dial(key: string, peer: KnownPeer): Promise<void> {
    if (peer.peerId !== undefined && !this.#flaps.mayLink(peer.peerId, this.#now())) return this.#book.dialFailed(key, this.#now())
    const timeout = new AbortController()
    const cancel = this.#context.clock.after(dialTimeoutMs, () => timeout.abort())
    const signal = AbortSignal.any([this.#controller.signal, timeout.signal])
    try {
      const link = await this.#init.host.dial(
        { ...(peer.peerId !== undefined && { peerId: peer.peerId }), addresses: peer.addresses },
        { signal },
      )
      this.#book.identified(key, link.peerId)
    } catch (error) {
      this.#book.dialFailed(key, this.#now())
      this.#refusals.set(key, !isNobodyThere(error))
      this.#context.logger.debug('a peer could not be reached', { peer: key, error })
    } finally {
      cancel()
    }
  }

  /** A peer with those of its addresses that may be dialled; strangers may advertise any. */
  #usable<Peer extends KnownPeer>(peer: Peer, foundBy: string): Peer | undefined {
    const { dialFilter } = this.#context
    if (!advertised.has(foundBy)) {
      dialFilter.configure(peer.addresses)
      return peer
    }
    const addresses = dialFilter.usable(peer.addresses)
    return addresses.length > 0 ? { ...peer, addresses } : undefined
  }

  #now(): number {
    return this.#context.clock.monotonicMs()
  }
}

function ranked(peers: readonly KnownPeerState[]): RankedPeer[] {
  return peers.flatMap(({ peerId, place, supernode }) =>
    peerId !== undefined && place ? [{ key: peerId, place, supernode }] : [],
  )
}
