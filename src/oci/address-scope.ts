import { isIP } from 'node:net'
import { isInRange, parseIp, parseIpRange, type IpAddress, type IpRange } from '../core/ip-address.ts'

/**
 * Where an IP address leads: to the world; into a private network; to this machine itself; or to what is on the same
 * wire, among it the cloud's metadata service, which gives out keys to whoever asks.
 */
export type AddressScope = 'public' | 'private' | 'loopback' | 'link-local'

/** RFC 6890 and its updates: everything that is not globally reachable. The first one that fits counts. */
const networks: readonly { readonly range: IpRange; readonly scope: AddressScope }[] = (
  [
    ['127.0.0.0/8', 'loopback'],
    // "This host": connecting to it reaches this machine.
    ['0.0.0.0/8', 'loopback'],
    ['169.254.0.0/16', 'link-local'],
    // Metadata services that have an address of another kind: of Oracle, Alibaba and Azure.
    ['192.0.0.192', 'link-local'],
    ['100.100.100.200', 'link-local'],
    ['168.63.129.16', 'link-local'],
    ['10.0.0.0/8', 'private'],
    ['100.64.0.0/10', 'private'],
    ['172.16.0.0/12', 'private'],
    ['192.0.0.0/24', 'private'],
    ['192.0.2.0/24', 'private'],
    ['192.88.99.0/24', 'private'],
    ['192.168.0.0/16', 'private'],
    ['198.18.0.0/15', 'private'],
    ['198.51.100.0/24', 'private'],
    ['203.0.113.0/24', 'private'],
    ['224.0.0.0/3', 'private'],
    ['::/127', 'loopback'],
    ['fe80::/10', 'link-local'],
    // Metadata services of Amazon and Google.
    ['fd00:ec2::/32', 'link-local'],
    ['fd20:ce::/32', 'link-local'],
    // Of IPv6 only 2000::/3 is global; in it, tunnels (Teredo, 6to4) can carry any IPv4 address.
    ['2001::/23', 'private'],
    ['2001:db8::/32', 'private'],
    ['2002::/16', 'private'],
    ['3fff::/20', 'private'],
    ['2000::/3', 'public'],
  ] as const
).map(([range, scope]) => ({ range: parseIpRange(range, 'address scope'), scope }))

/** What carries IPv4 addresses through a translator, for networks without IPv4; mapped ones count as IPv4 when they are read. */
const translated = parseIpRange('64:ff9b::/96', 'address scope')

/** Where an IP address leads; anything but an address is on our own wire, which nobody leads to. */
export function addressScope(address: string): AddressScope {
  const bare = address.replace(/^\[|\]$/g, '').replace(/%.*$/, '')
  const ip = isIP(bare) === 0 ? undefined : parseIp(bare)
  return ip ? scopeOf(isInRange(ip, translated) ? ip.slice(12) : ip) : 'link-local'
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

function scopeOf(ip: IpAddress): AddressScope {
  return networks.find(({ range }) => isInRange(ip, range))?.scope ?? (ip.length === 4 ? 'public' : 'private')
}
