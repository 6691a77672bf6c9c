import type { DiscoveryPlugin, KnownPeer } from './discovery.ts'
import { parsePeerAddress, peerKey } from './known-peer.ts'
import { LinkKeeper, topiclessDiscovery } from './link-keeper.ts'

/**
 * Discovery by a list: links to the peers named, and tries again while they cannot be reached. A node that is on the
 * list itself leaves itself out, so that a fleet can share one list.
 *
 * @param list - multiaddrs, with or without a peer id: `/dns4/seed.example/tcp/4001/p2p/12D3Koo…`
 * @throws {@link RequestError} `ERR_REQUEST_OPTION` when one is no address
 * @public
 */
export function peers(list: readonly string[]): DiscoveryPlugin {
  const known = new Map<string, KnownPeer>()
  for (const text of list) {
    const peer = parsePeerAddress(text)
    const key = peerKey(peer)
    const addresses = new Set([...(known.get(key)?.addresses ?? []), ...peer.addresses])
    known.set(key, { ...peer, addresses: [...addresses] })
  }
  return {
    name: 'peers',
    create(context) {
      const keeper = new LinkKeeper(context, 'peers')
      for (const peer of known.values()) keeper.keep(peer)
      return topiclessDiscovery({ name: 'peers', keeper })
    },
  }
}
