import type { Libp2pMultiaddr } from './libp2p-types.ts'

/** The host that a multiaddr leads to first, as text: an IP address or a name; empty where it names none. */
export function hostOf(address: Libp2pMultiaddr): string {
  return address.getComponents()[0]?.value ?? ''
}
