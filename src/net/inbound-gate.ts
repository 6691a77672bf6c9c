import { systemClock, type Clock } from '../core/clock.ts'
import type { TrustedRanges } from './trusted-ranges.ts'

/** New connections from one public address in a second; beyond, they are refused. */
const connectionsPerSecond = 5
const windowMs = 1000

/** Refuses connections from an address that opens too many of them, unless it is in a trusted range. */
export class InboundGate {
  readonly #ranges: TrustedRanges
  readonly #clock: Clock
  #windowEndMs = 0
  readonly #opened = new Map<string, number>()

  constructor(init: { ranges: TrustedRanges; clock?: Clock | undefined }) {
    this.#ranges = init.ranges
    this.#clock = init.clock ?? systemClock
  }

  /** Counts a connection from an address, and says whether to refuse it. */
  refuses(address: string): boolean {
    if (this.#ranges.has(address)) return false
    const now = this.#clock.monotonicMs()
    if (now >= this.#windowEndMs) {
      this.#windowEndMs = now + windowMs
      this.#opened.clear()
    }
    const opened = (this.#opened.get(address) ?? 0) + 1
    this.#opened.set(address, opened)
    return opened > connectionsPerSecond
  }
}
