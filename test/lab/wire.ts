import type { LabTime } from './lab-time.ts'
import { sizeOf, type Frame } from './frame.ts'
import type { NetworkConditions, WayConditions } from './network-conditions.ts'
import type { NodeLoop } from './node-loop.ts'

/** A network card: what leaves it or comes in takes turns. */
export class Card {
  readonly bytesPerMs: number
  #freeMs = 0

  constructor(bytesPerSecond: number) {
    this.bytesPerMs = bytesPerSecond / 1000
  }

  /** When so many bytes that may begin at a time are through. */
  take(sizeBytes: number, fromMs: number): number {
    this.#freeMs = Math.max(this.#freeMs, fromMs) + sizeBytes / this.bytesPerMs
    return this.#freeMs
  }
}

/** What one direction of a connection works with. */
export interface WireInit {
  readonly time: LabTime
  readonly from: string
  readonly to: string
  readonly conditions: NetworkConditions
  readonly uplink: Card
  readonly downlink: Card
  /** The loop at the end that receives. */
  readonly loop: NodeLoop
  readonly receive: (frame: Frame) => void
}

/** One direction of a connection: frames arrive once, in order on each stream, after what the way takes. */
export class Wire {
  readonly #init: WireInit
  readonly #way: WayConditions
  readonly #held: Frame[] = []
  /** When the last frame of each stream arrives; of all of them under the empty name. */
  readonly #lastMs = new Map<string, number>()
  #cut = false

  constructor(init: WireInit) {
    this.#init = init
    this.#way = init.conditions.way(init.from, init.to)
  }

  send(frame: Frame): void {
    if (this.#cut) return
    const { time, conditions, uplink, downlink } = this.#init
    const sizeBytes = sizeOf(frame)
    const leavesMs = uplink.take(sizeBytes, time.now)
    const arrivesMs = downlink.take(sizeBytes, leavesMs + this.#way.latencyMs) + conditions.delayOfLoss(this.#way)
    // A stream may overtake others, while the way lets it; what ends the connection comes after all.
    const stream = this.#way.reorderMs > 0 && frame.kind !== 'end' ? frame.stream : ''
    const behindMs = stream === '' ? Math.max(0, ...this.#lastMs.values()) : Math.max(this.#lastMs.get(stream) ?? 0, this.#lastMs.get('') ?? 0)
    const atMs = Math.max(arrivesMs + conditions.delayOfReorder(this.#way), behindMs)
    if (stream === '') this.#lastMs.clear()
    this.#lastMs.set(stream, atMs)
    time.at(atMs, () => this.#arrive(frame))
  }

  /** What is on the way is lost, and nothing more is taken. */
  cut(): void {
    this.#cut = true
    this.#held.length = 0
  }

  /** The way is open again: what waited is sent once more. */
  release(): void {
    this.#init.time.after(this.#way.latencyMs, () => {
      if (this.#way.blocked) return
      for (const frame of this.#held.splice(0)) this.#deliver(frame)
    })
  }

  #arrive(frame: Frame): void {
    if (this.#cut) return
    // In order: what waits is before it.
    if (this.#way.blocked || this.#held.length > 0) this.#held.push(frame)
    else this.#deliver(frame)
  }

  #deliver(frame: Frame): void {
    const { time, from, to, loop, receive } = this.#init
    time.note(from, to, frame.kind, frame.kind === 'end' ? '' : frame.stream, sizeOf(frame))
    loop.arrive(() => {
      if (!this.#cut) receive(frame)
    })
  }
}
