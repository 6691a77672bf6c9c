import { RequestError } from './errors.ts'
import { quoted } from './quoted.ts'

/** An IP address: 4 or 16 bytes. IPv4 in the clothes of IPv6 (`::ffff:192.0.2.7`) is IPv4. */
export type IpAddress = readonly number[]

/** Reads an address as text; a zone (`%eth0`) and brackets are left out. `undefined` for what is none, names and odd spellings included. */
export function parseIp(text: string): IpAddress | undefined {
  const bare = text.replace(/^\[(.*)\]$/, '$1').replace(/%.*$/, '')
  if (!bare.includes(':')) return parseIpv4(bare)
  const bytes = parseIpv6(bare)
  return bytes && hasPrefix(bytes, mappedPrefix, 96) ? bytes.slice(12) : bytes
}

const mappedPrefix: IpAddress = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0]
const prefixBits = { 4: 24, 16: 56 } as const

/** What is handed out to one customer, as a rule: the /24 of an IPv4 address, the /56 of an IPv6 one. */
export function prefixOf(address: IpAddress): string {
  const bits = address.length === 4 ? prefixBits[4] : prefixBits[16]
  return `${address.slice(0, bits / 8).join('.')}/${bits}`
}

/** Addresses that begin with the same bits. */
export interface IpRange {
  readonly network: IpAddress
  readonly bits: number
}

export function isInRange(address: IpAddress, { network, bits }: IpRange): boolean {
  return address.length === network.length && hasPrefix(address, network, bits)
}

export function isInRanges(address: IpAddress, ranges: readonly IpRange[]): boolean {
  return ranges.some((range) => isInRange(address, range))
}

/**
 * Reads a range in CIDR notation; an address alone is the range of itself.
 * @param name - of the option that holds it, for the error
 * @throws {@link RequestError} `ERR_REQUEST_OPTION`
 */
export function parseIpRange(text: string, name: string): IpRange {
  const [address = '', digits, more] = text.split('/')
  const network = parseIp(address)
  const width = (network?.length ?? 0) * 8
  const bits = digits === undefined ? width : Number(/^\d{1,3}$/.exec(digits)?.[0])
  if (network && more === undefined && bits <= width) return { network, bits }
  throw new RequestError('ERR_REQUEST_OPTION', `${name} has ${quoted(text)}: write a range of addresses like 10.0.0.0/8 or fd00::/8`)
}

function hasPrefix(address: IpAddress, network: IpAddress, bits: number): boolean {
  for (let bit = 0; bit < bits; bit += 8) {
    const mask = bits - bit >= 8 ? 0xff : (0xff << (8 - (bits - bit))) & 0xff
    if (((address[bit / 8] ?? 0) & mask) !== ((network[bit / 8] ?? 0) & mask)) return false
  }
  return true
}

function parseIpv4(text: string): IpAddress | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part))) return undefined
  const bytes = parts.map(Number)
  return bytes.every((byte) => byte <= 255) ? bytes : undefined
}

function parseIpv6(text: string): IpAddress | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [head, tail] = halves.map(parseGroups)
  if (!head || (halves.length === 2 && !tail)) return undefined
  const gap = 16 - head.length - (tail?.length ?? 0)
  if (halves.length === 1) return gap === 0 ? head : undefined
  return gap >= 2 ? [...head, ...Array.from({ length: gap }, () => 0), ...(tail ?? [])] : undefined
}

/** Groups of four hex digits; the last two may be written as an IPv4 address. */
function parseGroups(text: string): number[] | undefined {
  if (text === '') return []
  const bytes: number[] = []
  const groups = text.split(':')
  for (const [index, group] of groups.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(group)) {
      const value = Number.parseInt(group, 16)
      bytes.push(value >> 8, value & 0xff)
      continue
    }
    const last = index === groups.length - 1 ? parseIpv4(group) : undefined
    if (!last) return undefined
    bytes.push(...last)
  }
  return bytes
}
