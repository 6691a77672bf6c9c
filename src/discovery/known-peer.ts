import { peerIdFromString } from '@libp2p/peer-id'
import { CODE_P2P, multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { RequestError } from '../core/errors.ts'
import { quoted } from '../core/quoted.ts'
import type { Libp2pNode } from '../net/libp2p-node.ts'
import type { KnownPeer } from './discovery.ts'

/** Addresses that are kept of one peer: the limit of a `members` message. */
const maxAddressesPerPeer = 8
/** Of an address as text, in characters: the time that base58 takes grows with the square of the length. */
const maxAddressLength = 1024

/** A peer from what libp2p says of it; `undefined` without an address. */
export function knownPeer(peerId: string, multiaddrs: readonly Multiaddr[]): KnownPeer | undefined {
  const addresses = new Set<string>()
  for (const address of multiaddrs) {
    if (addresses.size === maxAddressesPerPeer) break
    addresses.add(splitPeerId(address).address)
  }
  return addresses.size > 0 ? { peerId, addresses: [...addresses] } : undefined
}

/**
 * Reads an address that a user wrote.
 * @throws {@link RequestError} `ERR_REQUEST_OPTION` when it is no multiaddr, or none that can be dialled
 */
export function parsePeerAddress(text: string): KnownPeer {
  const { peerId, address } = read(text)
  // One component is a host without a port; only /dnsaddr says by itself where to dial.
  if (multiaddr(address).getComponents().length < 2 && !address.startsWith('/dnsaddr/')) throw notAnAddress(text)
  return { peerId, addresses: [address] }
}

/** Equal for two hints that speak of the same node. */
export function peerKey(peer: KnownPeer): string {
  return peer.peerId ?? peer.addresses.toSorted().join(' ')
}

/** Whether the peer is the node itself, by its peer id or, without one, by an address on which it listens. */
export function isNode(node: Pick<Libp2pNode, 'peerId' | 'getMultiaddrs'>, peer: KnownPeer): boolean {
  if (peer.peerId !== undefined) return peer.peerId === node.peerId.toString()
  return node.getMultiaddrs().some((address) => peer.addresses.includes(splitPeerId(address).address))
}

/** Takes the peer id off the end of an address. */
function splitPeerId(address: Multiaddr): { peerId: string | undefined; address: string } {
  const components = address.getComponents()
  const last = components.at(-1)
  if (last?.code !== CODE_P2P) return { peerId: undefined, address: address.toString() }
  return { peerId: last.value, address: multiaddr(components.slice(0, -1)).toString() }
}

function read(text: string): ReturnType<typeof splitPeerId> {
  if (text.length > maxAddressLength) throw notAnAddress(text)
  try {
    const { peerId, address } = splitPeerId(multiaddr(text))
    // multiaddr takes any base58 text for a peer id, and libp2p some that are the address of a web server.
    const known = peerId === undefined ? undefined : peerIdFromString(peerId)
    if (known?.type !== 'url') return { peerId: known?.toString(), address }
  } catch (cause) {
    throw notAnAddress(text, { cause })
  }
  throw notAnAddress(text)
}

function notAnAddress(text: string, options?: ErrorOptions): RequestError {
  return new RequestError(
    'ERR_REQUEST_OPTION',
    `${quoted(text)} is not the address of a peer: write /ip4/192.0.2.7/tcp/4001 or /dns4/host/tcp/4001, ` +
      'with /p2p/ and the peer id behind it if you know it',
    options,
  )
}
