import type { Location } from '../wire/messages.ts'
import type { KnownPeerRecord, PeerFacts } from './known-peers.ts'
import { distanceOf, farDistance, unknownLocation } from './location.ts'

/** How many links and dials there are, kept as they change. */
export class LinkCounts {
  readonly #location: Location
  linked = 0
  /** Links over which no blob moves; not counted otherwise. */
  guests = 0
  dialling = 0
  /** Links and dials but those of supernodes, and to other regions. */
  ordinary = 0
  /** Links to other regions that this node dialled, or is dialling. */
  farDialled = 0
  farAccepted = 0

  constructor(location: Location) {
    this.#location = location
  }

  get used(): number {
    return this.linked + this.dialling
  }

  isFar({ location = unknownLocation }: PeerFacts): boolean {
    return distanceOf(this.#location, location) === farDistance
  }

  /** Counts a peer in, or out again before it changes. */
  add(peer: KnownPeerRecord, by: 1 | -1): void {
    if (peer.idle) return
    if (peer.guest && peer.linked) {
      this.guests += by
      return
    }
    if (peer.linked) this.linked += by
    else this.dialling += by
    const far = this.isFar(peer)
    if (!peer.supernode && !far) this.ordinary += by
    if (!far) return
    if (peer.dialling || peer.dialled) this.farDialled += by
    else this.farAccepted += by
  }
}
