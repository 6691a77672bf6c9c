import { BlockList, isIP } from 'node:net'

/** Where an IP address leads: to the world, or into this machine, its network or its cloud's metadata service. */
export type AddressScope = 'public' | 'private'

// Two lists, for one would hold IPv4 addresses to be IPv6 ones in ::ffff:0:0/96, and so in ::/3.
const privateIpv4 = new BlockList()
const privateIpv6 = new BlockList()
// RFC 6890 and its updates: everything that is not globally reachable.
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  privateIpv4.addSubnet(network, prefix, 'ipv4')
}
// Of IPv6 only 2000::/3 is global; in it, tunnels (Teredo, 6to4) can carry any IPv4 address.
for (const [network, prefix] of [
  ['::', 3],
  ['4000::', 2],
  ['8000::', 1],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
] as const) {
  privateIpv6.addSubnet(network, prefix, 'ipv6')
}

/**
 * Where an IP address leads; IPv4 addresses in IPv6 clothes count as what they are. Anything but an address is
 * private.
 */
export function addressScope(address: string): AddressScope {
  const bare = address.replace(/^\[|\]$/g, '').replace(/%.*$/, '')
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1] ?? bare
  switch (isIP(mapped)) {
    case 4:
      return privateIpv4.check(mapped, 'ipv4') ? 'private' : 'public'
    case 6:
      return privateIpv6.check(mapped, 'ipv6') ? 'private' : 'public'
    default:
      return 'private'
  }
}

/** Whether a URL's host is an address rather than a name; the URL parser has normalised odd spellings by then. */
export function isAddress(hostname: string): boolean {
  return isIP(hostname.replace(/^\[|\]$/g, '')) !== 0
}
