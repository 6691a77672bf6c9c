import type { Libp2pNode } from '../net/libp2p-node.ts'

/** What kad-dht tags peers with in the peer store while they are in its routing table: the one trace of that in public. */
const routableTag = 'kad-peer'

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
  readonly detail: { readonly peer: Tagged; readonly previous?: Tagged }
}

interface Tagged {
  readonly tags: ReadonlyMap<string, unknown>
}
