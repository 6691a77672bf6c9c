import type { Clock } from '../core/clock.ts'
import type { Digest } from '../core/digest.ts'
import { LruMap } from '../core/lru-map.ts'
import type { TransferStats } from './transfer.ts'

/** Blobs and topics whose history is kept, and events of each: the oldest give way. */
const maxHistories = 256
const maxEvents = 512
/** An origin whose bytes miss the digest is not asked for the blob again for this long, in milliseconds. */
const wrongOriginMs = 30_000

/**
 * Something that happened on the way of a blob, or of the topic that it is loaded under.
 * @public
 */
export type BlobHistoryEvent =
  /** A node near the topic was asked who gathers around it. */
  | { readonly type: 'join:asked'; readonly peerId: string }
  /** It named this many members, and nodes nearer to the topic. */
  | { readonly type: 'join:answered'; readonly peerId: string; readonly members: number; readonly nearer: number; readonly busy: boolean }
  /** A peer said what it holds of the blob. */
  | { readonly type: 'peer:answered'; readonly peerId: string; readonly pieces: number; readonly complete: boolean }
  /** The blob's tracker was asked for leave to read `count` pieces more from the origin, beyond those `held`. */
  | { readonly type: 'lease:asked'; readonly count: number; readonly held: number }
  /** `pieces` may be read; `by` is a peer id, or our own where this node is the tracker. */
  | { readonly type: 'lease:granted'; readonly by: string; readonly pieces: number; readonly imports: number }
  | { readonly type: 'lease:refused'; readonly by: string; readonly retryAfterMs: number }
  /** No tracker could be reached. */
  | { readonly type: 'lease:silent' }
  /** The origin was asked, and why it was allowed. */
  | { readonly type: 'origin:asked'; readonly origin: string; readonly first: number; readonly count: number; readonly reason: OriginReason }
  | { readonly type: 'origin:failed'; readonly origin: string; readonly code: string; readonly retryAfterMs: number | undefined }
  /** The origin's host asked to be left alone for so long. */
  | { readonly type: 'origin:waited'; readonly origin: string; readonly durationMs: number }
  /** A request to a peer ended without its piece. */
  | { readonly type: 'request:failed'; readonly peerId: string; readonly piece: number; readonly reason: 'failed' | 'absent' | 'busy' | 'corrupt' | 'late' }
  /** A peer lied about the blob: it sent other bytes than it offered, or signed a false claim; `by` says what showed it. */
  | { readonly type: 'peer:convicted'; readonly peerId: string; readonly misdeed: 'piece-hash' | 'claim'; readonly by: 'hash' | 'origin' | 'digest' }
  /** What it was convicted by turned out wrong. */
  | { readonly type: 'peer:acquitted'; readonly peerId: string }
  /** Bytes of peers were thrown away. */
  | { readonly type: 'bytes:wasted'; readonly bytes: number; readonly reason: 'corrupt' | 'refuted' | 'mismatch' }
  /** The bytes did not match the digest. */
  | { readonly type: 'blob:mismatched' }
  | { readonly type: 'blob:completed' }

/**
 * Why the origin was asked: a tracker let us; no tracker was in reach, or none that helped; peers' bytes had turned out wrong; or only its size was wanted.
 * @public
 */
export type OriginReason = 'leased' | 'without-tracker' | 'mismatch' | 'size'

/**
 * An event and when it happened, in milliseconds of the node's monotonic clock.
 * @public
 */
export type TimedBlobEvent = BlobHistoryEvent & { readonly atMs: number }

/** What happened lately, by blob and topic; bounded. */
export class BlobHistories {
  readonly #clock: Clock
  readonly #events = new LruMap<Digest, TimedBlobEvent[]>(maxHistories)
  readonly #stats = new LruMap<Digest, TransferStats>(maxHistories)
  readonly #wrongOrigins = new LruMap<string, { readonly error: unknown; readonly untilMs: number }>(maxHistories)

  constructor(clock: Clock) {
    this.#clock = clock
  }

  note(digest: Digest, event: BlobHistoryEvent): void {
    const events = this.#events.get(digest) ?? []
    events.push({ ...event, atMs: this.#clock.monotonicMs() })
    if (events.length > maxEvents) events.shift()
    this.#events.set(digest, events)
  }

  /** The blob is whole: its session may end. */
  completed(digest: Digest, stats: TransferStats): void {
    this.note(digest, { type: 'blob:completed' })
    this.#stats.set(digest, stats)
  }

  /** All that an origin gives of the blob is wrong. */
  originWasWrong(digest: Digest, origin: string, error: unknown): void {
    this.#wrongOrigins.set(`${digest} ${origin}`, { error, untilMs: this.#clock.monotonicMs() + wrongOriginMs })
  }

  /** How an origin failed that was found wrong a moment ago, and is to be left alone with this blob. */
  wrongOrigin(digest: Digest, origin: string): unknown {
    const found = this.#wrongOrigins.get(`${digest} ${origin}`)
    return found && this.#clock.monotonicMs() < found.untilMs ? found.error : undefined
  }

  /** Where the bytes of a blob came from that was loaded here. */
  bytesOf(digest: Digest): TransferStats | undefined {
    return this.#stats.get(digest)
  }

  of(digest: Digest): readonly TimedBlobEvent[] {
    return this.#events.get(digest) ?? []
  }
}
