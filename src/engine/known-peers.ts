import type { Location } from '../wire/messages.ts'
import { unknownLocation } from './location.ts'

/** Peers whose address is remembered; the longest unused are forgotten first. */
const maxKnownPeers = 4096
/** Beside those, peers that were only met: kad-dht's routing table has room for 1,280. */
const maxMetPeers = 2048
const maxAddresses = 8
const noAddresses: readonly string[] = []

/** A peer that somebody told us of. */
export interface KnownPeerState {
  /** Its peer id, or its address where the id is not known before it is dialled. */
  readonly key: string
  readonly peerId: string | undefined
  readonly addresses: readonly string[]
  /** All the ways in which it was found, the first one first. */
  readonly foundBy: readonly string[]
  readonly linked: boolean
  readonly dialling: boolean
  readonly failures: number
  /** When a peer that failed or left may be dialled again; 0 when it may be at once. */
  readonly retryAtMs: number
  /** What it said itself while it is linked, what others said before. */
  readonly location: Location
  readonly supernode: boolean
  /** Where it stands on the ring; `undefined` while its peer id is not known, or in a book without places. */
  readonly place: Uint8Array | undefined
}

/** What a peer, or another one, says of it. */
export interface PeerFacts {
  readonly location?: Location | undefined
  readonly supernode?: boolean | undefined
}

/** What somebody tells of a peer that may be dialled. */
export interface PeerNews extends PeerFacts {
  readonly peerId?: string | undefined
  readonly addresses: readonly string[]
}

/** Gives the place of a peer id on the ring; hashing is not for the engine. */
export type PlaceOf = (peerId: string) => Uint8Array

export class KnownPeerRecord implements KnownPeerState {
  readonly key: string
  readonly peerId: string | undefined
  addresses: readonly string[] = noAddresses
  readonly foundBy: string[]
  /** Whether it may have something for us, and is worth a link for that. */
  found = false
  linked = false
  dialling = false
  /** Whether its link was opened by this node. */
  dialled = false
  /** Whether one of the two has links enough, so that no blob moves between them. */
  guest = false
  failures = 0
  retryAtMs = 0
  location: Location = unknownLocation
  supernode = false
  /** Where it waits to be dialled, and its position there. */
  bag: PeerBag | undefined = undefined
  slot = 0
  #place: Uint8Array | PlaceOf | undefined

  constructor(key: string, peerId: string | undefined, foundBy: readonly string[], placeOf: PlaceOf | undefined) {
    this.key = key
    this.peerId = peerId
    // Not an empty one that grows: that would at once have room for seventeen.
    this.foundBy = [...foundBy]
    this.#place = peerId === undefined ? undefined : placeOf
  }

  get place(): Uint8Array | undefined {
    if (typeof this.#place === 'function' && this.peerId !== undefined) this.#place = this.#place(this.peerId)
    return typeof this.#place === 'function' ? undefined : this.#place
  }

  /** Whether it is neither linked nor being dialled. */
  get idle(): boolean {
    return !this.linked && !this.dialling
  }

  addWays(ways: readonly string[]): void {
    for (const way of ways) if (!this.foundBy.includes(way)) this.foundBy.push(way)
  }

  addAddresses(addresses: readonly string[]): void {
    if (addresses.every((address, index) => address === this.addresses[index])) return
    this.addresses = [...new Set([...addresses, ...this.addresses])].slice(0, maxAddresses)
  }

  addFacts({ location, supernode }: PeerFacts): void {
    this.location = location ?? this.location
    this.supernode = supernode ?? this.supernode
  }
}

/** Peers without order: each is added, removed and drawn in constant time. */
export class PeerBag {
  readonly #peers: KnownPeerRecord[] = []

  get size(): number {
    return this.#peers.length
  }

  at(slot: number): KnownPeerRecord | undefined {
    return this.#peers[slot]
  }

  add(peer: KnownPeerRecord): void {
    peer.bag = this
    peer.slot = this.#peers.push(peer) - 1
  }

  remove(peer: KnownPeerRecord): void {
    const last = this.#peers.pop()
    if (last && last !== peer) {
      this.#peers[peer.slot] = last
      last.slot = peer.slot
    }
    peer.bag = undefined
  }
}

/** All peers that this node knows, each by its peer id or, until that is known, by its address. */
export class KnownPeers {
  readonly #peers = new Map<string, KnownPeerRecord>()
  /** Those of whom we know no more than that they exist: they take no room of the others. */
  readonly #met = new Map<string, KnownPeerRecord>()
  /** Addresses behind which a peer was met that they did not name. */
  readonly #peerIdAt = new Map<string, string>()
  readonly #placeOf: PlaceOf | undefined

  constructor(placeOf: PlaceOf | undefined) {
    this.#placeOf = placeOf
  }

  get size(): number {
    return this.#peers.size + this.#met.size
  }

  *values(): Generator<KnownPeerRecord, void, undefined> {
    yield* this.#peers.values()
    yield* this.#met.values()
  }

  get(key: string): KnownPeerRecord | undefined {
    return this.#peers.get(key) ?? this.#met.get(key)
  }

  /** The peer with this key, or that was met behind this address. */
  at(key: string): KnownPeerRecord | undefined {
    return this.get(this.#peerIdAt.get(key) ?? key)
  }

  peerIdAt(address: string): string | undefined {
    return this.#peerIdAt.get(address)
  }

  /** The peer with this key, from now on the one used last. */
  use(key: string, peerId: string | undefined, foundBy: readonly string[]): KnownPeerRecord {
    return this.#put(this.#met.has(key) ? this.#met : this.#peers, key, peerId, foundBy)
  }

  /** The same; it may have something for us. */
  find(key: string, peerId: string | undefined, foundBy: readonly string[]): KnownPeerRecord {
    const peer = this.#put(this.#peers, key, peerId, foundBy)
    peer.found = true
    return peer
  }

  /** The same; it exists, and that is all that is new of it. */
  meet(peerId: string): KnownPeerRecord {
    const known = this.#peers.has(peerId)
    return this.#put(known ? this.#peers : this.#met, peerId, peerId, known ? [] : ['met'])
  }

  /** `peer`, dialled by its address, turned out to be `peerId`. */
  rename(peer: KnownPeerRecord, peerId: string): void {
    this.#peers.delete(peer.key)
    this.#peerIdAt.set(peer.key, peerId)
  }

  /** Forgets the longest unused idle peer of a kind of which there are too many, and returns it. */
  forgetOldest(): KnownPeerRecord | undefined {
    const tooMany = this.#peers.size > maxKnownPeers ? this.#peers : this.#met
    if (tooMany === this.#met && this.#met.size <= maxMetPeers) return undefined
    for (const peer of tooMany.values()) {
      if (!peer.idle) continue
      tooMany.delete(peer.key)
      this.forgetAddressesOf(peer.key)
      return peer
    }
    return undefined
  }

  /** Another peer may listen where this one did. */
  forgetAddressesOf(key: string): void {
    for (const [address, peerId] of this.#peerIdAt) if (peerId === key) this.#peerIdAt.delete(address)
  }

  #put(
    peers: Map<string, KnownPeerRecord>,
    key: string,
    peerId: string | undefined,
    foundBy: readonly string[],
  ): KnownPeerRecord {
    const known = this.get(key)
    const peer = known ?? new KnownPeerRecord(key, peerId, foundBy, this.#placeOf)
    known?.addWays(foundBy)
    this.#peers.delete(key)
    this.#met.delete(key)
    peers.set(key, peer)
    return peer
  }
}
