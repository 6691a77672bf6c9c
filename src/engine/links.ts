import type { Random } from '../core/random.ts'
import type { Location } from '../wire/messages.ts'
import { DialCandidates } from './dial-candidates.ts'
import { acceptedLinks, DialPolicy, maxFarAccepted } from './dial-policy.ts'
import { KnownPeers, type KnownPeerRecord, type KnownPeerState, type PeerFacts, type PeerNews, type PlaceOf } from './known-peers.ts'
import { LinkCounts } from './link-counts.ts'
import { unknownLocation } from './location.ts'
import { compareDistance, estimateCount, smallest } from './place.ts'

export type { KnownPeerState, PeerFacts, PeerNews, PlaceOf } from './known-peers.ts'

const firstRetryMs = 1000
const maxRetryMs = 60_000
/** Guests, who are there for a moment, beside each link that is to stay. */
export const guestsPerLink: number = 3
/** A peer that could not be reached so often in a row is not there. */
const goneAfter = 3

/** What a book may be told of its own node. */
export interface LinkBookOptions {
  /** Where this node stands; unknown without it, and then all peers are equally near. */
  readonly location?: Location | undefined
  /** Whether this node is a supernode: as many may link to it as there is room for. */
  readonly supernode?: boolean | undefined
  readonly placeOf?: PlaceOf | undefined
}

/** Which peers are known, and which of them to dial. Pure: `net/` dials, this decides. */
export class LinkBook {
  readonly #known: KnownPeers
  readonly #candidates: DialCandidates
  readonly #random: Random
  readonly #self: string
  readonly #maxLinks: number
  readonly #supernode: boolean
  readonly #placeOf: PlaceOf | undefined
  readonly #counts: LinkCounts
  readonly #policy: DialPolicy

  constructor(self: string, maxLinks: number, random: Random, options: LinkBookOptions = {}) {
    this.#self = self
    this.#maxLinks = maxLinks
    this.#random = random
    const { location = unknownLocation, supernode = false, placeOf } = options
    this.#supernode = supernode
    this.#placeOf = placeOf
    this.#known = new KnownPeers(placeOf)
    this.#counts = new LinkCounts(location)
    this.#candidates = new DialCandidates(location, random)
    this.#policy = new DialPolicy(this.#counts, this.#candidates)
  }

  /** Peers that are known, whether they can be reached or not. */
  get knownCount(): number {
    return this.#known.size
  }

  get linkedCount(): number {
    return this.#counts.linked
  }

  get diallingCount(): number {
    return this.#counts.dialling
  }

  get(key: string): KnownPeerState | undefined {
    return this.#known.at(key)
  }

  /** Remembers a peer. A new way of finding a known one is added to its list; what a linked one said of itself holds. */
  found(news: PeerNews, foundBy: string): KnownPeerState | undefined {
    const [address] = news.addresses
    const peerId = news.peerId ?? (address === undefined ? undefined : this.#known.peerIdAt(address))
    const key = peerId ?? address
    if (key === undefined || key === this.#self) return undefined
    const peer = this.#keep(this.#known.find(key, peerId, [foundBy]))
    this.#change(peer, () => {
      peer.addAddresses(news.addresses)
      if (!peer.linked) peer.addFacts(news)
    })
    return peer
  }

  /**
   * Remembers a peer that exists, whatever it gathers around: it has its rank, and is worth no link by itself until it is found.
   * However many are met, none that was found is forgotten for them.
   */
  met({ peerId, addresses }: PeerNews): void {
    if (peerId === undefined || peerId === this.#self || addresses.length === 0) return
    const peer = this.#keep(this.#known.meet(peerId))
    this.#change(peer, () => peer.addAddresses(addresses))
  }

  dialFailed(key: string, now: number): void {
    const peer = this.#known.get(key)
    if (!peer) return
    // Another peer may listen there now.
    this.#known.forgetAddressesOf(key)
    this.#change(peer, () => {
      peer.dialling = false
      peer.failures++
      peer.retryAtMs = now + this.#jittered(Math.min(maxRetryMs, firstRetryMs * 2 ** (peer.failures - 1)))
    })
  }

  /**
   * A link is open.
   * @param facts - what the peer's hello says
   */
  linked(peerId: string, inbound: boolean, facts: PeerFacts & { guest?: boolean } = {}): KnownPeerState {
    const peer = this.#keep(this.#known.use(peerId, peerId, inbound ? ['inbound'] : []))
    this.#change(peer, () => {
      peer.linked = true
      peer.dialling = false
      peer.dialled = !inbound
      peer.guest = facts.guest ?? false
      peer.failures = 0
      peer.retryAtMs = 0
      peer.addFacts(facts)
    })
    return peer
  }

  /** The peer has links enough: no blob moves over ours to it. */
  becameGuest(peerId: string): void {
    const peer = this.#known.get(peerId)
    if (!peer?.linked) return
    this.#change(peer, () => {
      peer.guest = true
    })
  }

  /** Whether there is room for one more that only asks. */
  get hasGuestRoom(): boolean {
    return this.#counts.guests < this.#maxLinks * guestsPerLink
  }

  /** The peer behind an address turned out to be `peerId`: what was known of the one holds for the other. */
  identified(key: string, peerId: string): void {
    const dialled = this.#known.get(key)
    if (!dialled || key === peerId) return
    this.#counts.add(dialled, -1)
    this.#candidates.remove(dialled)
    this.#known.rename(dialled, peerId)
    const peer = this.#keep(this.#known.find(peerId, peerId, dialled.foundBy))
    this.#change(peer, () => {
      peer.addAddresses(dialled.addresses)
      if (!peer.linked) peer.addFacts(dialled)
    })
  }

  closed(peerId: string, now: number): void {
    const peer = this.#known.get(peerId)
    if (!peer) return
    this.#change(peer, () => {
      peer.linked = false
      peer.guest = false
      peer.retryAtMs = now + this.#jittered(firstRetryMs)
    })
  }

  /** Whether to dial a peer at once, because somebody asks for that very one; if so, it counts as being dialled. */
  mayDial(key: string): boolean {
    const peer = this.#known.get(key)
    if (!peer?.idle || this.#room() <= 0) return false
    this.#startDial(peer)
    return true
  }

  /**
   * Whether a peer that dialled this node may stay linked.
   * @param facts - what its hello says
   * @param loadingLinks - links between nodes of which at least one loads; all but those of supernodes and to other regions, without it
   */
  mayAccept(facts: PeerFacts = {}, loadingLinks: number = this.#counts.ordinary): boolean {
    if (this.#room() <= 0) return false
    if (this.#supernode || facts.supernode === true) return true
    if (this.#counts.isFar(facts)) return this.#counts.farAccepted < maxFarAccepted
    return loadingLinks < acceptedLinks
  }

  /** Peers to dial while blobs are being loaded, supernodes first, then mostly near ones; they count as being dialled. */
  toDial(now: number): KnownPeerState[] {
    this.#candidates.wake(now)
    const chosen: KnownPeerRecord[] = []
    while (this.#room() > 0) {
      const peer = this.#policy.next(now)
      if (!peer) break
      this.#startDial(peer)
      chosen.push(peer)
    }
    return chosen
  }

  /**
   * Known peers that can be asked something about a place: supernodes if any is known, then those nearest to it.
   * @param now - without it, a peer that failed counts as such until the next call that tells the time
   */
  nearest(target: Uint8Array, count: number, now: number = -Infinity): KnownPeerState[] {
    this.#candidates.wake(now)
    return smallest(this.#askable(), count, (a, b) => compareKnown(a, b, target))
  }

  /**
   * The ranks of a digest: like {@link LinkBook.nearest}, with those that could not be reached once or twice. In a crowd a tracker
   * turns many away, and is none the less the tracker.
   */
  ranks(target: Uint8Array, count: number): KnownPeerState[] {
    return smallest(this.#reachable(), count, (a, b) => compareKnown(a, b, target))
  }

  /** How many nodes the network has, this one included, as far as this one can tell. */
  estimateNodeCount(): number {
    if (!this.#placeOf) return 1 + this.knownCount
    const places: Uint8Array[] = []
    for (const { place } of this.#known.values()) if (place) places.push(place)
    return estimateCount(places, this.#placeOf(this.#self))
  }

  #askable(): KnownPeerRecord[] {
    const askable: KnownPeerRecord[] = []
    for (const peer of this.#known.values()) {
      if (peer.linked || (peer.addresses.length > 0 && !this.#candidates.isWaiting(peer))) askable.push(peer)
    }
    return askable
  }

  *#reachable(): Generator<KnownPeerRecord> {
    for (const peer of this.#known.values()) {
      if (peer.linked || (peer.addresses.length > 0 && peer.failures < goneAfter)) yield peer
    }
  }

  #startDial(peer: KnownPeerRecord): void {
    this.#change(peer, () => {
      peer.dialling = true
    })
  }

  #room(): number {
    return this.#maxLinks - this.#counts.used
  }

  #jittered(ms: number): number {
    return ms * (0.5 + this.#random.next() / 2)
  }

  /** A peer that was added may be one too many. */
  #keep(peer: KnownPeerRecord): KnownPeerRecord {
    const forgotten = this.#known.forgetOldest()
    if (forgotten) this.#candidates.remove(forgotten)
    return peer
  }

  /** Keeps counts and candidates right, whatever changes. */
  #change(peer: KnownPeerRecord, change: () => void): void {
    this.#counts.add(peer, -1)
    change()
    this.#counts.add(peer, 1)
    this.#candidates.place(peer)
  }
}

function compareKnown(a: KnownPeerRecord, b: KnownPeerRecord, target: Uint8Array): number {
  if (a.supernode !== b.supernode) return a.supernode ? -1 : 1
  if (a.place && b.place) return compareDistance(a.place, b.place, target)
  return Number(b.place !== undefined) - Number(a.place !== undefined)
}
