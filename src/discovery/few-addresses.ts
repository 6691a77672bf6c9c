import type { KadDHTComponents } from '@libp2p/kad-dht'

type PeerStore = KadDHTComponents['peerStore']

/** Addresses that the DHT adds to what is known of a peer, at most. */
const maxAddresses = 8

/** A peer store like `inner` that takes no more than eight addresses of a peer: strangers may announce any number, again and again. */
export function withFewAddresses(inner: PeerStore): PeerStore {
  const merge: PeerStore['merge'] = async (id, data, options) => {
    if (!data.multiaddrs) return inner.merge(id, data, options)
    const known = (await inner.has(id)) ? (await inner.get(id)).addresses.map(({ multiaddr }) => multiaddr.toString()) : []
    const fresh = data.multiaddrs.filter((address) => !known.includes(address.toString()))
    const multiaddrs = fresh.slice(0, Math.max(0, maxAddresses - known.length))
    return inner.merge(id, { ...data, multiaddrs }, options)
  }
  return new Proxy(inner, {
    get(target, name) {
      if (name === 'merge') return merge
      const value: unknown = Reflect.get(target, name)
      // Bound: its methods reach for private fields.
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
