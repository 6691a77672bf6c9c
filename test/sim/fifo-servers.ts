/**
 * Wires that hand on what comes while it comes: a node's downlink, the pipe of a region. Several things may come at
 * once; together they get the wire's rate, and what was whole first is through first.
 */
export class FifoServers {
  readonly #rates: Float64Array
  /** When each wire has done the work of all that came so far. */
  readonly #workedMs: Float64Array

  /** @param rates - bytes per millisecond; `Infinity` for a wire that never delays */
  constructor(rates: Float64Array) {
    this.#rates = rates
    this.#workedMs = new Float64Array(rates.length)
  }

  /**
   * Something whose first byte comes at `firstByteMs` and whose last one comes at `lastByteMs`; returns when the last
   * one is through. To be asked in the order in which things are whole.
   */
  pass(server: number, firstByteMs: number, lastByteMs: number, bytes: number): number {
    const workedMs = this.#workWith(server, firstByteMs, bytes)
    this.#workedMs[server] = workedMs
    return Math.max(lastByteMs, workedMs)
  }

  /** How much later than its last byte comes it would be through if it passed now. */
  delayMs(server: number, firstByteMs: number, lastByteMs: number, bytes: number): number {
    return Math.max(0, this.#workWith(server, firstByteMs, bytes) - lastByteMs)
  }

  /** The wire works on a thing while it comes: four pieces that came together over 16 ms do not wait for each other then. */
  #workWith(server: number, firstByteMs: number, bytes: number): number {
    return Math.max(this.#workedMs[server]!, firstByteMs) + bytes / this.#rates[server]!
  }
}
