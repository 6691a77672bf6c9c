import { isIP } from 'node:net'

/**
 * Where an IP address leads: to the world; into a private network; to this machine itself; or to what is on the same
 * wire, among it the cloud's metadata service, which gives out keys to whoever asks.
 */
export type AddressScope = 'public' | 'private' | 'loopback' | 'link-local'

type Network = readonly [bytes: readonly number[], prefixBits: number, scope: AddressScope]

/** RFC 6890 and its updates: everything that is not globally reachable. The first one that fits counts. */
const ipv4Networks: readonly Network[] = [
  [[127], 8, 'loopback'],
  // "This host": connecting to it reaches this machine.
  [[0], 8, 'loopback'],
  [[169, 254], 16, 'link-local'],
  // Metadata services that have an address of another kind: of Oracle, Alibaba and Azure.
  [[192, 0, 0, 192], 32, 'link-local'],
  [[100, 100, 100, 200], 32, 'link-local'],
  [[168, 63, 129, 16], 32, 'link-local'],
  [[10], 8, 'private'],
  [[100, 64], 10, 'private'],
  [[172, 16], 12, 'private'],
  [[192, 0, 0], 24, 'private'],
  [[192, 0, 2], 24, 'private'],
  [[192, 88, 99], 24, 'private'],
  [[192, 168], 16, 'private'],
  [[198, 18], 15, 'private'],
  [[198, 51, 100], 24, 'private'],
  [[203, 0, 113], 24, 'private'],
  [[224], 3, 'private'],
]

/** Of IPv6 only 2000::/3 is global; in it, tunnels (Teredo, 6to4) can carry any IPv4 address. */
const ipv6Networks: readonly Network[] = [
  [[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 127, 'loopback'],
  [[0xfe, 0x80], 10, 'link-local'],
  // Metadata services of Amazon and Google.
  [[0xfd, 0x00, 0x0e, 0xc2], 32, 'link-local'],
  [[0xfd, 0x20, 0x00, 0xce], 32, 'link-local'],
  [[0x20, 0x01, 0x00], 23, 'private'],
  [[0x20, 0x01, 0x0d, 0xb8], 32, 'private'],
  [[0x20, 0x02], 16, 'private'],
  [[0x3f, 0xff], 20, 'private'],
  [[0x20], 3, 'public'],
]

/** IPv4 addresses in IPv6 clothes: mapped ones, and those behind a translator for networks without IPv4. */
const ipv4Carriers: readonly (readonly number[])[] = [
  [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
  [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0],
]

/** Where an IP address leads; anything but an address is on our own wire, which nobody leads to. */
export function addressScope(address: string): AddressScope {
  const bare = address.replace(/^\[|\]$/g, '').replace(/%.*$/, '')
  switch (isIP(bare)) {
    case 4:
      return scopeOfIpv4(bare.split('.').map(Number))
    case 6:
      return scopeOfIpv6(ipv6Bytes(bare))
    default:
      return 'link-local'
  }
}

/** Whether a URL's host is an address rather than a name; the URL parser has normalised odd spellings by then. */
export function isAddress(hostname: string): boolean {
  return isIP(hostname.replace(/^\[|\]$/g, '')) !== 0
}

/**
 * Where those may lead who were reached there: outwards, or to their own kind. A public server may not lead into a
 * private network, nobody but this machine to this machine, and nobody to what only the wire knows.
 */
export function mayLead(from: AddressScope, to: AddressScope): boolean {
  return to === 'public' || to === from || (from === 'loopback' && to === 'private')
}

function scopeOfIpv4(bytes: readonly number[]): AddressScope {
  return ipv4Networks.find((network) => contains(network, bytes))?.[2] ?? 'public'
}

function scopeOfIpv6(bytes: readonly number[]): AddressScope {
  if (ipv4Carriers.some((prefix) => contains([prefix, 96, 'public'], bytes))) return scopeOfIpv4(bytes.slice(12))
  return ipv6Networks.find((network) => contains(network, bytes))?.[2] ?? 'private'
}

function contains([prefix, prefixBits]: Network, bytes: readonly number[]): boolean {
  for (let bit = 0; bit < prefixBits; bit += 8) {
    const mask = bit + 8 <= prefixBits ? 0xff : (0xff << (8 - (prefixBits - bit))) & 0xff
    if ((((bytes[bit / 8] ?? 0) ^ (prefix[bit / 8] ?? 0)) & mask) !== 0) return false
  }
  return true
}

/** The 16 bytes of an address that is known to be well-formed. */
function ipv6Bytes(address: string): number[] {
  const [head = '', tail] = address.split('::')
  const first = groupsOf(head)
  const last = tail === undefined ? [] : groupsOf(tail)
  const zeros = Array.from({ length: 16 - first.length - last.length }, () => 0)
  return [...first, ...zeros, ...last]
}

function groupsOf(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number)
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}
