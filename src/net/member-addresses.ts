import { peerIdFromMultihash, peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import * as Multihash from 'multiformats/hashes/digest'
import type { Member } from '../wire/messages.ts'
import { limits } from '../wire/protocol.ts'
import type { Libp2pNode } from './libp2p-node.ts'

/** A member, as text. */
export interface MemberPeer {
  readonly peerId: string
  readonly addresses: readonly string[]
}

/** Turns peers into members of a topic, as the wire carries them, and back. */
export class MemberAddresses {
  readonly #node: Libp2pNode

  constructor(node: Libp2pNode) {
    this.#node = node
  }

  /** Where a peer says it listens; `undefined` when it does not. */
  async describe(peerId: string): Promise<Member | undefined> {
    const id = peerIdFromString(peerId)
    try {
      const peer = await this.#node.peerStore.get(id)
      const addresses = peer.addresses
        .map((address) => address.multiaddr.bytes)
        .filter((bytes) => bytes.byteLength <= limits.addressBytes)
        .slice(0, limits.addressesPerMember)
      return addresses.length > 0 ? { peerId: id.toMultihash().bytes, addresses } : undefined
    } catch {
      // It is gone from the peer store: nobody can be sent to it.
      return undefined
    }
  }

  /** Reads a member; `undefined` when it is malformed, which is no crime: newer nodes may know addresses that we do not. */
  read(member: Member): MemberPeer | undefined {
    try {
      const peerId = peerIdFromMultihash(Multihash.decode(member.peerId)).toString()
      const addresses = member.addresses.map((bytes) => multiaddr(bytes).toString())
      return addresses.length > 0 ? { peerId, addresses } : undefined
    } catch {
      return undefined
    }
  }
}
