import type { Multiaddr } from '@multiformats/multiaddr'
import type { Libp2pNode } from '../net/libp2p-node.ts'
import { dhtProtocol } from './dht-service.ts'
import type { KnownPeer } from './discovery.ts'
import { knownPeer } from './known-peer.ts'

/** What kad-dht tags peers with in the peer store while they are in its routing table: the one trace of that in public. */
const routableTag = 'kad-peer'
/** Peers of an earlier run, or of before we listened, that are told of: more than a routing table has room for. */
const maxStoredPeers = 2048

/** Calls back whenever kad-dht takes a peer into its routing table; returns what ends that. */
export function onRoutablePeer(
  node: Pick<Libp2pNode, 'addEventListener' | 'removeEventListener'>,
  callback: () => void,
): () => void {
  const onUpdate = ({ detail }: PeerUpdate): void => {
    if (detail.peer.tags.has(routableTag) && !detail.previous?.tags.has(routableTag)) callback()
  }
  node.addEventListener('peer:update', onUpdate)
  return () => node.removeEventListener('peer:update', onUpdate)
}

/**
 * Tells of the nodes of our own DHT that are in the routing table, of each that enters it, and of those in it again whenever libp2p
 * learns something of them, such as another address; returns what ends that. Who leaves the table is not told: whoever dials it finds out. On a node that the user brings, the table may
 * be that of another DHT, and then nobody is told of.
 */
export function tellMembers(
  node: Pick<Libp2pNode, 'addEventListener' | 'removeEventListener' | 'peerStore'>,
  tell: (peer: KnownPeer) => void,
): () => void {
  let ended = false
  const tellOf = (peer: StoredPeer): void => {
    const known = isRoutableMember(peer) ? knownMember(peer) : undefined
    if (known && !ended) tell(known)
  }
  // Not only when the tag is new: identify may be later than the ping after which a peer is tagged. And not only what is new, for
  // libp2p may have changed the addresses of `previous`, too.
  const onUpdate = ({ detail }: PeerUpdate): void => tellOf(detail.peer)
  node.addEventListener('peer:update', onUpdate)
  void node.peerStore.all({ filters: [isRoutableMember], limit: maxStoredPeers }).then(
    (peers) => peers.forEach(tellOf),
    // A peer store that cannot be read is a matter of libp2p; events still come.
    () => {},
  )
  return () => {
    ended = true
    node.removeEventListener('peer:update', onUpdate)
  }
}

/** A peer from the peer store, if it is a node of our own DHT. */
export async function storedMember(
  node: Pick<Libp2pNode, 'peerStore'>,
  id: Libp2pNode['peerId'],
): Promise<KnownPeer | undefined> {
  return (await node.peerStore.has(id)) ? knownMember(await node.peerStore.get(id)) : undefined
}

/**
 * Whether a connected peer may enter the routing table yet: one that libp2p has not identified so far, or one that speaks
 * kad-dht and has not answered its ping so far.
 */
export async function expectsRoutablePeer(
  node: Pick<Libp2pNode, 'getConnections' | 'peerStore'>,
): Promise<boolean> {
  for (const { remotePeer } of node.getConnections()) {
    if (!(await node.peerStore.has(remotePeer))) return true
    const { protocols, tags } = await node.peerStore.get(remotePeer)
    const speaksKad = protocols.some((protocol) => protocol.includes('/kad/'))
    if (protocols.length === 0 || (speaksKad && !tags.has(routableTag))) return true
  }
  return false
}

/** The part of libp2p's event that is read here. */
interface PeerUpdate {
  readonly detail: { readonly peer: StoredPeer; readonly previous?: StoredPeer }
}

/** The part of what the peer store holds of a peer that is read here. */
interface StoredPeer {
  readonly id: { toString(): string }
  readonly addresses: readonly { readonly multiaddr: Multiaddr }[]
  readonly protocols: readonly string[]
  readonly tags: ReadonlyMap<string, unknown>
}

function isRoutableMember({ tags, protocols }: StoredPeer): boolean {
  return tags.has(routableTag) && protocols.includes(dhtProtocol)
}

function knownMember({ id, addresses, protocols }: StoredPeer): KnownPeer | undefined {
  if (!protocols.includes(dhtProtocol)) return undefined
  return knownPeer(id.toString(), addresses.map(({ multiaddr }) => multiaddr))
}
