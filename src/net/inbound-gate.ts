import { BlockList, isIP } from 'node:net'
import { systemClock, type Clock } from '../core/clock.ts'
import type { ConnectionGater, RawConnection } from './libp2p-types.ts'

/** New connections from one public address in a second; beyond, they are refused. */
const connectionsPerSecond = 5
const windowMs = 1000

/** Address ranges that one operator hands out: many nodes may start there at once, or share an address. */
const privateRanges = [
  ['127.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['::1', 128, 'ipv6'],
  ['fc00::', 7, 'ipv6'],
  ['fe80::', 10, 'ipv6'],
] as const

const privateAddresses = new BlockList()
for (const [network, bits, family] of privateRanges) {
  privateAddresses.addSubnet(network, bits, family)
}

/**
 * Refuses connections from a public address that opens too many of them. Private addresses are exempt, and so is
 * everybody in a closed network, where strangers do not get past the network key.
 */
export class InboundGate {
  readonly #exempt: boolean
  readonly #clock: Clock
  #windowEndMs = 0
  readonly #opened = new Map<string, number>()

  /** @param init - `exempt` lets everybody in */
  constructor(init: { exempt: boolean; clock?: Clock | undefined }) {
    this.#exempt = init.exempt
    this.#clock = init.clock ?? systemClock
  }

  /** Counts a connection from an address, and says whether to refuse it. */
  refuses(address: string): boolean {
    const family = isIP(address)
    if (this.#exempt || family === 0) return false
    if (privateAddresses.check(address, family === 4 ? 'ipv4' : 'ipv6')) return false
    const now = this.#clock.monotonicMs()
    if (now >= this.#windowEndMs) {
      this.#windowEndMs = now + windowMs
      this.#opened.clear()
    }
    const opened = (this.#opened.get(address) ?? 0) + 1
    this.#opened.set(address, opened)
    return opened > connectionsPerSecond
  }

  asConnectionGater(): ConnectionGater {
    return {
      denyInboundConnection: (connection: RawConnection) => this.refuses(ipOf(connection)),
      // Nodes of a fleet meet on private addresses, which gaters made for browsers refuse to dial.
      denyDialMultiaddr: () => false,
    }
  }
}

function ipOf(connection: RawConnection): string {
  const [host] = connection.remoteAddr.getComponents()
  return host?.value ?? ''
}
