import { isInRange, isInRanges, parseIp, parseIpRange, type IpAddress, type IpRange } from '../core/ip-address.ts'
import { LruMap } from '../core/lru-map.ts'
import { TrustedRanges } from './trusted-ranges.ts'

/** Ports below are those of services that machines have anyway: no node of ours is there unless somebody says so. */
const firstPort = 1024
export const maxAddressesPerPeer = 8
const maxConfigured = 4096
/** Peers of one prefix that one answer may name: whoever has one network must not be all that a node hears of. */
const perPrefix = 3

const ranges = (...texts: string[]): readonly IpRange[] => texts.map((text) => parseIpRange(text, 'dial filter'))

const loopback = ranges('127.0.0.0/8', '::1/128')
/** Each is one network, or many that know nothing of each other: only who is in one itself can mean the same one. */
const privateNetworks = ranges('10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '198.18.0.0/15', 'fc00::/7')
/** Nobody's, everybody's, this link's, and where clouds tell machines their secrets. */
const neverDialled = ranges(
  '0.0.0.0/8',
  '169.254.0.0/16',
  '192.0.0.0/24',
  '224.0.0.0/3',
  '100.100.100.200',
  '168.63.129.16',
  'fd00:ec2::254',
)
/** What is routed in IPv6; tunnels in it can carry any IPv4 address. */
const globalIpv6 = ranges('2000::/3')
const tunnels = ranges('2001::/32', '2002::/16')

/** What a {@link DialFilter} goes by. */
export interface DialFilterInit {
  /** Ranges that the user named, in CIDR notation: dialled whatever they are, on any port. @defaultValue none */
  readonly ranges?: readonly string[] | undefined
  /** Where peers are not counted by prefix. @defaultValue private ranges */
  readonly trusted?: TrustedRanges | undefined
  /** This node's own addresses: multiaddrs that it listens on, and IP addresses of its machine. */
  readonly own: () => { readonly listening: readonly string[]; readonly machine: readonly string[] }
}

interface Target {
  /** `undefined` for what is no IP address. */
  readonly ip: IpAddress | undefined
  readonly port: number
  /** What is spoken there: `tcp`, `udp/quic-v1`; `/memory` and the like where there is no IP address. */
  readonly transport: string
}

/**
 * Which of the addresses that peers advertise may be dialled. Peers must not be able to make this node connect to services of its machine, its
 * network or its cloud, so addresses are IP addresses in the world or in a network that this node is in itself, with high ports. Where the user
 * sends it, it goes.
 */
export class DialFilter {
  readonly #init: DialFilterInit
  readonly #ranges: readonly IpRange[]
  readonly #trusted: TrustedRanges
  readonly #configured = new LruMap<string, true>(maxConfigured)
  /** Networks in which the user has named a peer. */
  readonly #named = new Set<IpRange>()

  /** @throws {@link RequestError} `ERR_REQUEST_OPTION` when a range is none */
  constructor(init: DialFilterInit) {
    this.#init = init
    this.#trusted = init.trusted ?? new TrustedRanges()
    this.#ranges = (init.ranges ?? []).map((range) => parseIpRange(range, 'limits.trustedRanges'))
  }

  /** The user named these: they are not filtered, and others in their networks are dialled too. */
  configure(addresses: readonly string[]): void {
    for (const address of addresses) {
      this.#configured.set(withoutPeerId(address), true)
      const ip = readTarget(address)?.ip
      for (const range of [...loopback, ...privateNetworks]) if (ip && isInRange(ip, range)) this.#named.add(range)
    }
  }

  /** For the peers that one answer names, in turn: whether one with these addresses is not one too many of its prefix. */
  sieve(): (addresses: readonly string[]) => boolean {
    const counts = new Map<string, number>()
    return ([address = '']) => {
      const host = address.split('/')[2] ?? ''
      const prefix = this.#trusted.prefixOf(host)
      if (prefix === undefined) return true
      const count = (counts.get(prefix) ?? 0) + 1
      counts.set(prefix, count)
      return count <= perPrefix
    }
  }

  /** Those of the addresses that a peer advertises that may be dialled; at most eight. */
  usable(addresses: readonly string[]): string[] {
    return addresses.slice(0, maxAddressesPerPeer).filter((address) => this.allows(address))
  }

  /** @param address - a multiaddr as text */
  allows(address: string): boolean {
    if (this.#configured.get(withoutPeerId(address))) return true
    const target = readTarget(address)
    if (!target) return false
    const { ip, port } = target
    const { listening, machine } = this.#init.own()
    if (!isSpoken(target, listening)) return false
    if (!ip) return true
    if (isInRanges(ip, this.#ranges)) return true
    if (port < firstPort || isInRanges(ip, neverDialled)) return false
    if (isInRanges(ip, loopback)) return isOnLoopback(listening) || this.#isNamed(ip, loopback)
    const network = privateNetworks.find((range) => isInRange(ip, range))
    if (network) return this.#isNamed(ip, privateNetworks) || ownIps(listening, machine).some((own) => isInRange(own, network))
    return ip.length === 4 || (isInRanges(ip, globalIpv6) && !isInRanges(ip, tunnels))
  }

  #isNamed(ip: IpAddress, among: readonly IpRange[]): boolean {
    return among.some((range) => this.#named.has(range) && isInRange(ip, range))
  }
}

/** TCP, or what this node speaks itself, where its user gave it other transports. */
function isSpoken({ transport }: Target, listening: readonly string[]): boolean {
  return transport === 'tcp' || listening.some((own) => readTarget(own)?.transport === transport)
}

/** A node that listens on loopback alone has its peers there. */
function isOnLoopback(listening: readonly string[]): boolean {
  return listening.length > 0 && listening.every((own) => isInRanges(readTarget(own)?.ip ?? [], loopback))
}

function ownIps(listening: readonly string[], machine: readonly string[]): IpAddress[] {
  return [...listening.map((own) => readTarget(own)?.ip), ...machine.map(parseIp)].filter((ip) => ip !== undefined)
}

/** `undefined` for names, relays, and what is no multiaddr. */
function readTarget(address: string): Target | undefined {
  const [empty, protocol = '', host = '', ...rest] = withoutPeerId(address).split('/')
  if (empty !== '' || protocol.startsWith('dns') || rest.includes('p2p-circuit')) return undefined
  if (protocol !== 'ip4' && protocol !== 'ip6') {
    return protocol === '' || protocol === 'ip6zone' || protocol === 'p2p' ? undefined : { ip: undefined, port: firstPort, transport: `/${protocol}` }
  }
  const ip = parseIp(host)
  const [carrier = '', port = '', ...above] = rest
  if (!ip || !/^\d{1,5}$/.test(port)) return undefined
  return { ip, port: Number(port), transport: [carrier, ...above].join('/') }
}

function withoutPeerId(address: string): string {
  return address.replace(/\/p2p\/[^/]*$/, '')
}
