import type { Clock } from '../core/clock.ts'
import { TokenBucket } from '../traffic/token-bucket.ts'
import { LruMap } from '../core/lru-map.ts'
import type { TrustedRanges } from './trusted-ranges.ts'

/** Bounds on connections that others open to a node. */
export const inboundLimits = {
  /** From one address that is not trusted, and from one /24 or /56 of such. */
  perAddress: 4,
  perPrefix: 8,
  /** New ones from one such address in a second. */
  perSecond: 5,
  /** That have not proved who they are, over all addresses. */
  pending: 512,
  /** One that is pending for so long makes room for a newcomer when there is none: an honest handshake takes milliseconds. */
  giveWayMs: 1000,
} as const

const maxRememberedAddresses = 4096

/** A connection that somebody opened. */
export interface Arrival {
  /** IP address of the other end, as text. */
  readonly address: string
  /** Ends it. */
  abort(): void
}

/** Why a connection is refused: a label of its metric. */
export type InboundRefusal = 'address' | 'prefix' | 'rate' | 'pending' | 'total'

interface Open {
  readonly address: string | undefined
  readonly prefix: string | undefined
  readonly sinceMs: number
}

/** What an {@link InboundGate} works with. */
export interface InboundGateInit {
  readonly ranges: TrustedRanges
  readonly clock: Clock
  /** Connections that others opened, in all. */
  readonly maxConnections: number
}

/**
 * Counts the connections that others open, and says whom to refuse. Trusted ranges have no bounds of their own, and count for those over all
 * addresses: sockets that never speak must not keep others out, wherever they come from.
 */
export class InboundGate {
  readonly #init: InboundGateInit
  readonly #open = new Map<Arrival, Open>()
  /** Those of them that are not upgraded yet, the oldest first. */
  readonly #pending = new Set<Arrival>()
  readonly #perAddress = new Map<string, number>()
  readonly #perPrefix = new Map<string, number>()
  readonly #rates = new LruMap<string, TokenBucket>(maxRememberedAddresses)

  constructor(init: InboundGateInit) {
    this.#init = init
  }

  /** How many are open, and how many of them are not upgraded yet. */
  get counts(): { readonly open: number; readonly pending: number } {
    return { open: this.#open.size, pending: this.#pending.size }
  }

  /** Somebody connects: counted until {@link InboundGate.closed}, unless it says why to refuse. */
  arrived(arrival: Arrival): InboundRefusal | undefined {
    const { ranges, clock, maxConnections } = this.#init
    const now = clock.monotonicMs()
    const trusted = ranges.has(arrival.address)
    const address = trusted ? undefined : arrival.address
    const prefix = ranges.prefixOf(arrival.address)
    if (address !== undefined && !this.#mayComeAgain(address, now)) return 'rate'
    if (address !== undefined && (this.#perAddress.get(address) ?? 0) >= inboundLimits.perAddress) return 'address'
    if (prefix !== undefined && (this.#perPrefix.get(prefix) ?? 0) >= inboundLimits.perPrefix) return 'prefix'
    if (this.#pending.size >= inboundLimits.pending && !this.#makeRoom(now)) return 'pending'
    if (this.#open.size >= maxConnections + inboundLimits.pending) return 'total'
    this.#open.set(arrival, { address, prefix, sinceMs: now })
    this.#pending.add(arrival)
    count(this.#perAddress, address, 1)
    count(this.#perPrefix, prefix, 1)
    return undefined
  }

  /** It has proved who it is. */
  upgraded(arrival: Arrival): void {
    this.#pending.delete(arrival)
  }

  closed(arrival: Arrival): void {
    const open = this.#open.get(arrival)
    if (!open) return
    this.#open.delete(arrival)
    this.#pending.delete(arrival)
    count(this.#perAddress, open.address, -1)
    count(this.#perPrefix, open.prefix, -1)
  }

  #mayComeAgain(address: string, now: number): boolean {
    const { perSecond } = inboundLimits
    const rate = this.#rates.get(address) ?? new TokenBucket({ perSecond, burst: perSecond })
    this.#rates.set(address, rate)
    return rate.take(1, now) === 0
  }

  #makeRoom(now: number): boolean {
    for (const oldest of this.#pending) {
      const since = this.#open.get(oldest)?.sinceMs ?? now
      if (now - since < inboundLimits.giveWayMs) return false
      this.closed(oldest)
      oldest.abort()
      return true
    }
    return false
  }
}

function count(counts: Map<string, number>, key: string | undefined, change: 1 | -1): void {
  if (key === undefined) return
  const next = (counts.get(key) ?? 0) + change
  if (next > 0) counts.set(key, next)
  else counts.delete(key)
}
