import type { Random } from '../core/random.ts'

/** Links that a node dials to while a topic is being loaded; below {@link wantedLinks} in all it goes on looking. */
const dialledPerRound = 5
/** A random graph of this degree spreads a blob as fast as any; more links cost more haves than they bring. */
const wantedLinks = 10
const firstRetryMs = 1000
const maxRetryMs = 60_000
/** Peers whose address is remembered; the longest unused are forgotten first. */
const maxKnownPeers = 4096
const maxAddresses = 8

/** A peer that somebody told us of. */
export interface KnownPeerState {
  /** Its peer id, or its address where the id is not known before it is dialled. */
  readonly key: string
  readonly peerId: string | undefined
  addresses: readonly string[]
  /** All the ways in which it was found, the first one first. */
  readonly foundBy: string[]
  linked: boolean
  dialling: boolean
  failures: number
  retryAtMs: number
}

/** Which peers are known, and which of them to dial. Pure: `net/` dials, this decides. */
export class LinkBook {
  readonly #known = new Map<string, KnownPeerState>()
  /** Addresses behind which a peer was met that they did not name. */
  readonly #peerIdAt = new Map<string, string>()
  readonly #random: Random
  readonly #self: string
  readonly #maxLinks: number

  constructor(self: string, maxLinks: number, random: Random) {
    this.#self = self
    this.#maxLinks = maxLinks
    this.#random = random
  }

  /** Peers that are known, whether they can be reached or not. */
  get knownCount(): number {
    return this.#known.size
  }

  get linkedCount(): number {
    let count = 0
    for (const peer of this.#known.values()) if (peer.linked) count++
    return count
  }

  get(key: string): KnownPeerState | undefined {
    return this.#known.get(this.#peerIdAt.get(key) ?? key)
  }

  /** Remembers a peer. A new way of finding a known one is added to its list. */
  found(
    peer: { peerId?: string | undefined; addresses: readonly string[] },
    foundBy: string,
  ): KnownPeerState | undefined {
    const [address] = peer.addresses
    const peerId = peer.peerId ?? (address === undefined ? undefined : this.#peerIdAt.get(address))
    const key = peerId ?? address
    if (key === undefined || key === this.#self) return undefined
    const state = this.#remember({ ...peer, peerId }, key)
    if (!state.foundBy.includes(foundBy)) state.foundBy.push(foundBy)
    return state
  }

  dialFailed(key: string, now: number): void {
    const peer = this.#known.get(key)
    if (!peer) return
    peer.dialling = false
    peer.failures++
    // Another peer may listen there now.
    this.#forgetAddressesOf(key)
    const backoffMs = Math.min(maxRetryMs, firstRetryMs * 2 ** (peer.failures - 1))
    peer.retryAtMs = now + backoffMs * (0.5 + this.#random.next() / 2)
  }

  /** A link is open. */
  linked(peerId: string, inbound: boolean): KnownPeerState {
    const peer = this.#remember({ peerId, addresses: [] }, peerId)
    if (inbound && !peer.foundBy.includes('inbound')) peer.foundBy.push('inbound')
    peer.linked = true
    peer.dialling = false
    peer.failures = 0
    return peer
  }

  /** The peer behind an address turned out to be `peerId`: what was known of the one holds for the other. */
  identified(key: string, peerId: string): void {
    const dialled = this.#known.get(key)
    if (!dialled || key === peerId) return
    this.#known.delete(key)
    this.#peerIdAt.set(key, peerId)
    const peer = this.#remember({ peerId, addresses: dialled.addresses }, peerId)
    for (const way of dialled.foundBy) if (!peer.foundBy.includes(way)) peer.foundBy.push(way)
  }

  closed(peerId: string, now: number): void {
    const peer = this.#known.get(peerId)
    if (!peer) return
    peer.linked = false
    peer.retryAtMs = now + firstRetryMs * (0.5 + this.#random.next() / 2)
  }

  /** Whether to dial a peer at once, because somebody asks for that very one; if so, it counts as being dialled. */
  mayDial(key: string): boolean {
    const peer = this.#known.get(key)
    if (!peer || peer.linked || peer.dialling || this.#room() <= 0) return false
    peer.dialling = true
    return true
  }

  /** Peers to dial while blobs are being loaded, in random order; they count as being dialled. */
  toDial(now: number): KnownPeerState[] {
    const wanted = Math.min(this.#room(), dialledPerRound, wantedLinks - this.linkedCount - this.#diallingCount())
    if (wanted <= 0) return []
    const ready = [...this.#known.values()].filter(
      (peer) => !peer.linked && !peer.dialling && peer.addresses.length > 0 && now >= peer.retryAtMs,
    )
    const chosen: KnownPeerState[] = []
    while (chosen.length < wanted && ready.length > 0) {
      chosen.push(...ready.splice(this.#random.below(ready.length), 1))
    }
    for (const peer of chosen) peer.dialling = true
    return chosen
  }

  #room(): number {
    return this.#maxLinks - this.linkedCount - this.#diallingCount()
  }

  #diallingCount(): number {
    let count = 0
    for (const peer of this.#known.values()) if (peer.dialling) count++
    return count
  }

  #remember(
    { peerId, addresses }: { peerId?: string | undefined; addresses: readonly string[] },
    key: string,
  ): KnownPeerState {
    const state = this.#known.get(key) ?? {
      key,
      peerId,
      addresses: [],
      foundBy: [],
      linked: false,
      dialling: false,
      failures: 0,
      retryAtMs: 0,
    }
    state.addresses = [...new Set([...addresses, ...state.addresses])].slice(0, maxAddresses)
    this.#known.delete(key)
    this.#known.set(key, state)
    this.#forgetOldest()
    return state
  }

  #forgetOldest(): void {
    if (this.#known.size <= maxKnownPeers) return
    for (const [key, peer] of this.#known) {
      if (peer.linked || peer.dialling) continue
      this.#known.delete(key)
      this.#forgetAddressesOf(key)
      return
    }
  }

  #forgetAddressesOf(key: string): void {
    for (const [address, peerId] of this.#peerIdAt) if (peerId === key) this.#peerIdAt.delete(address)
  }
}
