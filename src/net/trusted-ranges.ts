import { isInRanges, parseIp, parseIpRange, prefixOf, type IpRange } from '../core/ip-address.ts'

/** Loopback, and the ranges that never cross the internet: who comes from there is in a network that somebody we trust runs. */
const privateRanges: readonly string[] = [
  '127.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '169.254.0.0/16',
  '::1/128',
  'fc00::/7',
  'fe80::/10',
]

/** Where many nodes may share an address or a prefix: the limits per address and prefix do not count there. */
export class TrustedRanges {
  readonly #everywhere: boolean
  readonly #ranges: readonly IpRange[]

  /**
   * @param ranges - in CIDR notation; private ones without it
   * @param everywhere - nobody is limited: strangers do not get past the network key
   * @throws {@link RequestError} `ERR_REQUEST_OPTION`
   */
  constructor(ranges: readonly string[] = privateRanges, everywhere = false) {
    this.#everywhere = everywhere
    this.#ranges = ranges.map((range) => parseIpRange(range, 'limits.trustedRanges'))
  }

  /** Also true of what is no address: libp2p's memory and Unix sockets have none. */
  has(address: string): boolean {
    if (this.#everywhere) return true
    const ip = parseIp(address)
    return ip === undefined || isInRanges(ip, this.#ranges)
  }

  /** The prefix that an address counts for; none where nobody is counted. */
  prefixOf(address: string): string | undefined {
    const ip = this.has(address) ? undefined : parseIp(address)
    return ip && prefixOf(ip)
  }
}
