import type { EventKind, EventQueue } from './event-queue.ts'
import { IndexHeap } from './index-heap.ts'

/** A run of pieces that one node reads from the origin. */
export interface OriginFlow {
  readonly node: number
  readonly run: number
  readonly first: number
  count: number
  /** Most that it can get, in bytes per millisecond. */
  readonly cap: number
  readonly bytesOf: (piece: number) => number
  /** Pieces that left the origin, and that the node has stored. */
  sent: number
  stored: number
  ended: boolean
  movedMs: number
  /** When the first byte of the piece that came last reached the node. */
  firstByteMs?: number
}

interface Sending {
  readonly flow: OriginFlow
  readonly group: CapGroup
  readonly startedMs: number
  readonly bytes: number
  /** What the group had served when it will be whole. */
  readonly endServed: number
  over: boolean
}

/** Flows with one cap always have the same rate: what one of them was served since the start tells of all. */
interface CapGroup {
  readonly cap: number
  readonly sending: IndexHeap
  count: number
  rate: number
  served: number
}

const negligibleBytes = 1e-3

/** The origin's egress: open flows share it fairly, as far as each can take its share. */
export class OriginEgress {
  readonly #events: EventQueue
  readonly #rate: number
  readonly #sent: (flow: OriginFlow, startedMs: number, bytes: number) => void
  readonly #groups: CapGroup[] = []
  readonly #sendings = new Map<number, Sending>()
  readonly #idOf = new Map<OriginFlow, number>()
  readonly #due: EventKind<undefined>
  #nextId = 1
  #servedMs = 0
  #dueMs = Infinity

  constructor(events: EventQueue, rate: number, sent: (flow: OriginFlow, startedMs: number, bytes: number) => void) {
    this.#events = events
    this.#rate = rate
    this.#sent = sent
    this.#due = events.register(() => this.#onDue())
  }

  has(flow: OriginFlow): boolean {
    return this.#idOf.has(flow)
  }

  /** Sends the flow's next piece. */
  start(flow: OriginFlow): void {
    this.#serve()
    const group = this.#groupOf(flow.cap)
    const bytes = flow.bytesOf(flow.first + flow.sent)
    const id = this.#nextId++
    const sending = { flow, group, startedMs: this.#events.now, bytes, endServed: group.served + bytes, over: false }
    this.#sendings.set(id, sending)
    this.#idOf.set(flow, id)
    group.sending.push(sending.endServed, id)
    group.count++
    this.#share()
  }

  /** Ends what the flow is being sent; returns how many bytes of the piece had left. */
  stop(flow: OriginFlow): number {
    const sending = this.#take(flow)
    if (!sending) return 0
    this.#serve()
    this.#share()
    return Math.max(0, sending.bytes - (sending.endServed - sending.group.served))
  }

  #onDue(): void {
    if (this.#dueMs !== this.#events.now) return
    // What starts meanwhile is planned for once, at the end.
    this.#dueMs = -Infinity
    this.#serve()
    for (const group of this.#groups) {
      while (group.sending.minKey <= group.served + negligibleBytes) {
        const sending = this.#sendings.get(group.sending.pop())
        if (!sending) continue
        this.#take(sending.flow)
        this.#sent(sending.flow, sending.startedMs, sending.bytes)
      }
    }
    this.#dueMs = Infinity
    this.#share()
  }

  #take(flow: OriginFlow): Sending | undefined {
    const id = this.#idOf.get(flow)
    const sending = id === undefined ? undefined : this.#sendings.get(id)
    if (id === undefined || !sending) return undefined
    this.#idOf.delete(flow)
    this.#sendings.delete(id)
    sending.group.count--
    return sending
  }

  /** Takes into account what was served until now. */
  #serve(): void {
    const spanMs = this.#events.now - this.#servedMs
    this.#servedMs = this.#events.now
    for (const group of this.#groups) group.served += group.rate * spanMs
  }

  /** Gives everybody an even share; what some cannot take is shared by the others. */
  #share(): void {
    let left = this.#rate
    let flows = 0
    for (const group of this.#groups) flows += group.count
    let dueMs = Infinity
    for (const group of this.#groups) {
      if (group.count === 0) {
        group.rate = 0
        continue
      }
      group.rate = Math.min(group.cap, left / flows)
      left -= group.rate * group.count
      flows -= group.count
      dueMs = Math.min(dueMs, this.#events.now + Math.max(0, group.sending.minKey - group.served) / group.rate)
    }
    // As for uplinks: an event that comes too early finds nothing and plans the next one.
    if (this.#dueMs <= dueMs) return
    this.#dueMs = dueMs
    this.#events.at(dueMs, this.#due, 0, 0)
  }

  #groupOf(cap: number): CapGroup {
    const known = this.#groups.find((group) => group.cap === cap)
    if (known) return known
    const group = { cap, sending: new IndexHeap(), count: 0, rate: 0, served: 0 }
    this.#groups.push(group)
    this.#groups.sort((a, b) => a.cap - b.cap)
    return group
  }
}
