import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import type { Location, Member } from '../wire/messages.ts'
import { limits } from '../wire/protocol.ts'
import type { Libp2pNode } from './libp2p-node.ts'
import { peerNameOf } from './peer-name.ts'

/** A member, as text. */
export interface MemberPeer {
  readonly peerId: string
  readonly addresses: readonly string[]
}

/** What is told of a member besides where it is. */
export interface MemberFacts {
  readonly location: Location
  readonly supernode: boolean
}

/** Turns peers into members of a topic, as the wire carries them, and back. */
export class MemberAddresses {
  readonly #node: Libp2pNode

  constructor(node: Libp2pNode) {
    this.#node = node
  }

  /** Where a peer says it listens, or was said to; `undefined` when nobody can be sent to it. */
  async describe({ peerId, addresses, ...facts }: MemberPeer & MemberFacts): Promise<Member | undefined> {
    try {
      const id = peerIdFromString(peerId)
      const known = await this.#listens(peerId)
      const told = known.length > 0 ? known : addresses.map((address) => multiaddr(address).bytes)
      const usable = told.filter((bytes) => bytes.byteLength <= limits.addressBytes).slice(0, limits.addressesPerMember)
      return usable.length > 0 ? { peerId: id.toMultihash().bytes, addresses: usable, ...facts } : undefined
    } catch {
      // An address that cannot be written helps nobody.
      return undefined
    }
  }

  /** Reads a member; `undefined` when it is malformed, which is no crime: newer nodes may know addresses that we do not. */
  read(member: Member): MemberPeer | undefined {
    try {
      const peerId = peerNameOf(member.peerId)
      if (peerId === undefined) return undefined
      const addresses = member.addresses.map((bytes) => multiaddr(bytes).toString())
      return addresses.length > 0 ? { peerId, addresses } : undefined
    } catch {
      return undefined
    }
  }

  /** The name of a peer whose id came in binary form; `undefined` when it is malformed. */
  nameOf(peerIdBytes: Uint8Array): string | undefined {
    return peerNameOf(peerIdBytes)
  }

  /** The binary form of a peer's name. */
  idOf(peerId: string): Uint8Array {
    return peerIdFromString(peerId).toMultihash().bytes
  }

  async #listens(peerId: string): Promise<Uint8Array[]> {
    try {
      const peer = await this.#node.peerStore.get(peerIdFromString(peerId))
      return peer.addresses.map((address) => address.multiaddr.bytes)
    } catch {
      // It is gone from the peer store.
      return []
    }
  }
}
