import type { Random } from '../core/random.ts'
import type { Location } from '../wire/messages.ts'
import { PeerBag, type KnownPeerRecord } from './known-peers.ts'
import { distanceOf, farDistance } from './location.ts'

/**
 * Known peers that are not linked and can be dialled, by their distance: now, or when their time has come. Whoever was not found,
 * but met, waits like others after a failure, and is no candidate afterwards.
 */
export class DialCandidates {
  readonly #location: Location
  readonly #random: Random
  readonly #supernodes = new PeerBag()
  /** Nearest first: same rack, same zone, same region or unknown, other regions. */
  readonly #byDistance: readonly PeerBag[] = Array.from({ length: farDistance + 1 }, () => new PeerBag())
  readonly #waiting = new PeerBag()
  /** No waiting peer may be dialled before. */
  #nextWakeMs = Infinity

  constructor(location: Location, random: Random) {
    this.#location = location
    this.#random = random
  }

  /** Whether a peer waits for its time. */
  isWaiting(peer: KnownPeerRecord): boolean {
    return peer.bag === this.#waiting
  }

  /** Puts a peer where it belongs after any change of it. */
  place(peer: KnownPeerRecord): void {
    const bag = this.#bagOf(peer)
    if (bag === this.#waiting) this.#nextWakeMs = Math.min(this.#nextWakeMs, peer.retryAtMs)
    if (peer.bag === bag) return
    peer.bag?.remove(peer)
    bag?.add(peer)
  }

  remove(peer: KnownPeerRecord): void {
    peer.bag?.remove(peer)
  }

  /** Peers whose time has come may be dialled. Costs nothing before the first one's has. */
  wake(now: number): void {
    if (now < this.#nextWakeMs) return
    this.#nextWakeMs = Infinity
    for (let slot = this.#waiting.size - 1; slot >= 0; slot--) {
      const peer = this.#waiting.at(slot)
      if (!peer) continue
      if (now >= peer.retryAtMs) peer.retryAtMs = 0
      this.place(peer)
    }
  }

  supernode(): KnownPeerRecord | undefined {
    return this.#draw([this.#supernodes])
  }

  /** One of those at the least distance. */
  nearest(withFar: boolean): KnownPeerRecord | undefined {
    const bags = this.#bags(withFar)
    return this.#draw(bags.filter((bag) => bag.size > 0).slice(0, 1))
  }

  any(withFar: boolean): KnownPeerRecord | undefined {
    return this.#draw(this.#bags(withFar))
  }

  far(): KnownPeerRecord | undefined {
    return this.#draw(this.#byDistance.slice(farDistance))
  }

  #bags(withFar: boolean): readonly PeerBag[] {
    return withFar ? this.#byDistance : this.#byDistance.slice(0, farDistance)
  }

  /** One of the peers in these bags, each with the same odds. */
  #draw(bags: readonly PeerBag[]): KnownPeerRecord | undefined {
    let size = 0
    for (const bag of bags) size += bag.size
    if (size === 0) return undefined
    let slot = this.#random.below(size)
    for (const bag of bags) {
      if (slot < bag.size) return bag.at(slot)
      slot -= bag.size
    }
    return undefined
  }

  #bagOf(peer: KnownPeerRecord): PeerBag | undefined {
    if (!peer.idle || peer.addresses.length === 0) return undefined
    if (peer.retryAtMs > 0) return this.#waiting
    if (!peer.found) return undefined
    return peer.supernode ? this.#supernodes : this.#byDistance[distanceOf(this.#location, peer.location)]
  }
}
