import type { EventKind, EventQueue } from './event-queue.ts'

/** No upload queue lets more than this be served at once. */
const maxInService = 8
/** What is left of a transfer by rounding is nothing. */
const negligibleBytes = 1e-3

/** Each node's uplink, shared evenly by what it sends. One event is planned per uplink: when the next transfer is sent. */
export class Uplinks {
  readonly #events: EventQueue
  readonly #rates: Float64Array
  readonly #sent: (node: number, transfer: number) => void
  readonly #counts: Uint8Array
  readonly #transfers: Int32Array
  readonly #leftBytes: Float64Array
  readonly #countedMs: Float64Array
  /** When an event comes for this uplink; others that still come are out of date. */
  readonly #dueMs: Float64Array
  readonly #due: EventKind<undefined>

  /** @param sent - is told of each transfer whose last byte left */
  constructor(events: EventQueue, rates: Float64Array, sent: (node: number, transfer: number) => void) {
    this.#events = events
    this.#rates = rates
    this.#sent = sent
    this.#counts = new Uint8Array(rates.length)
    this.#transfers = new Int32Array(rates.length * maxInService)
    this.#leftBytes = new Float64Array(rates.length * maxInService)
    this.#countedMs = new Float64Array(rates.length)
    this.#dueMs = new Float64Array(rates.length).fill(Infinity)
    this.#due = events.register((node) => this.#onDue(node))
  }

  start(node: number, transfer: number, bytes: number): void {
    this.#count(node)
    const count = this.#counts[node]!
    if (count === maxInService) throw new Error(`node ${node} serves more than ${maxInService} pieces at once`)
    const slot = node * maxInService + count
    this.#transfers[slot] = transfer
    this.#leftBytes[slot] = bytes
    this.#counts[node] = count + 1
    this.#plan(node)
  }

  /** Ends a transfer before its time; returns how many of its bytes had not left. */
  stop(node: number, transfer: number): number {
    this.#count(node)
    for (let index = 0; index < this.#counts[node]!; index++) {
      const slot = node * maxInService + index
      if (this.#transfers[slot] !== transfer) continue
      const left = this.#leftBytes[slot]!
      this.#remove(node, index)
      this.#plan(node)
      return Math.max(0, left)
    }
    return 0
  }

  #onDue(node: number): void {
    if (this.#dueMs[node] !== this.#events.now) return
    // Whatever starts meanwhile is planned for once, at the end.
    this.#dueMs[node] = -Infinity
    this.#count(node)
    for (let index = 0; index < this.#counts[node]!; ) {
      const slot = node * maxInService + index
      if (this.#leftBytes[slot]! > negligibleBytes) {
        index++
        continue
      }
      const transfer = this.#transfers[slot]!
      this.#remove(node, index)
      this.#sent(node, transfer)
    }
    this.#dueMs[node] = Infinity
    this.#plan(node)
  }

  /** Takes into account what was sent until now. */
  #count(node: number): void {
    const { now } = this.#events
    const count = this.#counts[node]!
    const bytes = ((now - this.#countedMs[node]!) * this.#rates[node]!) / count
    this.#countedMs[node] = now
    const first = node * maxInService
    for (let slot = first; slot < first + count; slot++) this.#leftBytes[slot] = this.#leftBytes[slot]! - bytes
  }

  #remove(node: number, index: number): void {
    const first = node * maxInService
    const last = --this.#counts[node]!
    // Their order stays: those that began together end in the order in which they began.
    for (let slot = first + index; slot < first + last; slot++) {
      this.#transfers[slot] = this.#transfers[slot + 1]!
      this.#leftBytes[slot] = this.#leftBytes[slot + 1]!
    }
  }

  #plan(node: number): void {
    const count = this.#counts[node]!
    if (count === 0) return
    const first = node * maxInService
    let least = Infinity
    for (let slot = first; slot < first + count; slot++) least = Math.min(least, this.#leftBytes[slot]!)
    const { now } = this.#events
    const dueMs = now + (Math.max(0, least) * count) / this.#rates[node]!
    // An event that comes too early finds nothing and plans the next one: cheaper than one more for each change.
    if (this.#dueMs[node]! <= dueMs) return
    this.#dueMs[node] = dueMs
    this.#events.at(dueMs, this.#due, node, 0)
  }
}
