import { TokenBucket } from '../traffic/token-bucket.ts'
import type { ControlMessage } from '../wire/messages.ts'
import type { LinkEntry } from './swarm-context.ts'

/** Messages that make this node look something up, hash, check a signature or ask others. A link that serves ten blobs at once sends a few hundred. */
const costly: ReadonlySet<ControlMessage['type']> = new Set(['join', 'inline', 'claim', 'lease-ask', 'hold-off'])
const rate = { perSecond: 1000, burst: 10_000 }

/** Bounds what a peer may make this node do. */
export class MessageBudget {
  readonly #buckets = new WeakMap<LinkEntry, TokenBucket>()

  /** Counts a message; false when there are too many. */
  allows(entry: LinkEntry, message: ControlMessage, nowMs: number): boolean {
    if (!costly.has(message.type) && !(message.type === 'bitfield' && message.wants)) return true
    const bucket = this.#buckets.get(entry) ?? new TokenBucket(rate)
    this.#buckets.set(entry, bucket)
    return bucket.take(1, nowMs) === 0
  }
}
