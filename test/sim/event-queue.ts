import { grown, IndexHeap } from './index-heap.ts'

/** What happens at an event's time; two numbers and an object, whatever they mean to that kind of event. */
export type EventHandler<Payload> = (a: number, b: number, payload: Payload) => void

/** A kind of event, and the object that comes with it. */
export type EventKind<Payload> = number & { readonly payloadOf?: (payload: Payload) => void }

/** Virtual time: it passes only from one planned event to the next. Events of one moment run in the order they were planned. */
export class EventQueue {
  now = 0
  /** Events that have run. */
  count = 0
  readonly #heap = new IndexHeap()
  readonly #handlers: EventHandler<never>[] = []
  /** Events are records in flat arrays, used again and again. */
  #kinds = new Uint8Array(1024)
  #as = new Int32Array(1024)
  #bs = new Int32Array(1024)
  readonly #payloads: unknown[] = []
  #free = new Int32Array(1024)
  #freeCount = 0
  #used = 0

  /** Each part of the simulator has kinds of events of its own. */
  register<Payload = undefined>(handler: EventHandler<Payload>): EventKind<Payload> {
    if (this.#handlers.length === 256) throw new Error('there are too many kinds of events')
    return this.#handlers.push(handler) - 1
  }

  at(atMs: number, kind: EventKind<undefined>, a: number, b: number): void {
    this.atWith(atMs, kind, a, b, undefined)
  }

  atWith<Payload>(atMs: number, kind: EventKind<Payload>, a: number, b: number, payload: Payload): void {
    const slot = this.#freeCount > 0 ? this.#free[--this.#freeCount]! : this.#newSlot()
    this.#kinds[slot] = kind
    this.#as[slot] = a
    this.#bs[slot] = b
    this.#payloads[slot] = payload
    this.#heap.push(atMs > this.now ? atMs : this.now, slot)
  }

  /** When the next event is; `Infinity` when none is planned. */
  get nextMs(): number {
    return this.#heap.minKey
  }

  /** Runs the next event; there must be one. */
  runNext(): void {
    this.now = this.#heap.minKey
    const slot = this.#heap.pop()
    const payload = this.#payloads[slot]
    this.#payloads[slot] = undefined
    this.#free[this.#freeCount++] = slot
    this.count++
    this.#handlers[this.#kinds[slot]!]!(this.#as[slot]!, this.#bs[slot]!, payload as never)
  }

  #newSlot(): number {
    if (this.#used === this.#kinds.length) {
      const length = 2 * this.#used
      this.#kinds = grown(this.#kinds, new Uint8Array(length))
      this.#as = grown(this.#as, new Int32Array(length))
      this.#bs = grown(this.#bs, new Int32Array(length))
      this.#free = grown(this.#free, new Int32Array(length))
    }
    this.#payloads.push(undefined)
    return this.#used++
  }
}
