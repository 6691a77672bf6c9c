import { pieceRange } from '../core/piece-layout.ts'
import { UploadQueue, uploadRank, type UploadRequest } from '../engine/upload-queue.ts'
import type { IncomingRequest, Link } from '../net/link.ts'
import { overLimit } from '../net/peer-errors.ts'
import { limits } from '../wire/protocol.ts'
import type { BlobSession } from './blob-session.ts'
import { isLost } from './lost-blob.ts'
import type { LinkEntry, SwarmContext } from './swarm-context.ts'
import { UploadWatch } from './upload-watch.ts'

interface Pending {
  readonly entry: LinkEntry
  readonly incoming: IncomingRequest
  readonly session: BlobSession
  /** Once it is being served. */
  heldBytes: number
}

/** Bytes given to peers since the start. */
export interface ServedBytes {
  served: number
  /** Those of blobs that were not whole here when they left. */
  servedWhileIncomplete: number
}

/** Serves pieces to peers, over all blobs, in the order that the engine's queue decides. */
export class UploadService {
  readonly #context: SwarmContext
  readonly #queue = new UploadQueue(limits.queuedRequestsPerPeer)
  readonly #pending = new Map<number, Pending>()
  readonly #watch: UploadWatch
  /** Peers that took the last piece that they were sent. */
  readonly #proven = new WeakSet<Link>()
  /** Of pieces that are being served. */
  #heldBytes = 0
  readonly served: ServedBytes = { served: 0, servedWhileIncomplete: 0 }
  readonly #lost: (session: BlobSession) => void
  #nextId = 1

  /** @param lost - hears of whole blobs that are not in the store any more */
  constructor(context: SwarmContext, lost: (session: BlobSession) => void = () => {}) {
    this.#context = context
    this.#lost = lost
    this.#watch = new UploadWatch(context.clock, {
      stalled: (id) => {
        this.#queue.stalled(id)
        const link = this.#pending.get(id)?.incoming.link
        if (link) this.#proven.delete(link)
        this.#pump()
      },
      moved: (id) => {
        this.#queue.moved(id)
        this.#pump()
      },
    })
  }

  /** A peer asks for a piece of a blob that we may share. */
  take(entry: LinkEntry, incoming: IncomingRequest, session: BlobSession | undefined): void {
    if (!session?.canServe(entry, incoming.piece)) return incoming.absent()
    const id = this.#nextId++
    const answer = this.#queue.add({ id, link: entry.id, digest: incoming.digest, piece: incoming.piece, proven: this.#proven.has(incoming.link) })
    if (answer !== 'queued') return incoming.busy(Math.min(answer, limits.busyMs))
    this.#pending.set(id, { entry, incoming, session, heldBytes: 0 })
    incoming.signal.addEventListener('abort', () => this.#drop(id), { once: true })
    if (incoming.signal.aborted) this.#drop(id)
    this.#pump()
  }

  #pump(): void {
    const rank = (request: UploadRequest): number => {
      const session = this.#pending.get(request.id)?.session
      return session ? uploadRank(session.state, request.link, request.piece) : 0
    }
    for (let next = this.#next(rank); next; next = this.#next(rank)) {
      const { id } = next
      const pending = this.#pending.get(id)
      if (!pending) this.#queue.remove(id)
      else {
        pending.heldBytes = pieceRange(pending.session.layout, pending.incoming.piece).length
        this.#heldBytes += pending.heldBytes
        this.#watch.add(id, pending.incoming)
        void this.#serve(pending).finally(() => this.#drop(id))
      }
    }
  }

  /** One piece is always served; of more, as many as there is memory for. Who takes nothing makes room for others. */
  #next(rank: (request: UploadRequest) => number): UploadRequest | undefined {
    if (this.#queue.waitingCount === 0) return undefined
    if (this.#heldBytes >= this.#context.uploadBytes) {
      const stuck = this.#watch.longestStalled()
      if (!stuck) return undefined
      this.#context.metrics.add('damselfly_streams_reset_total', 1, { reason: 'memory' })
      // Its end goes on from here.
      stuck.abandon(overLimit('the peer takes nothing, and others want the memory'))
      return undefined
    }
    return this.#queue.next(rank)
  }

  async #serve({ entry, incoming, session }: Pending): Promise<void> {
    const range = pieceRange(session.layout, incoming.piece)
    try {
      if (!session.canServe(entry, incoming.piece)) return incoming.absent()
      const { complete } = session
      const bytes = await session.give(entry, incoming.piece)
      if (incoming.signal.aborted) return
      if (!bytes) return incoming.absent()
      await incoming.serve(range.length, [bytes])
      this.#proven.add(incoming.link)
      session.gave(entry.id, incoming.piece)
      this.served.served += range.length
      if (!complete) this.served.servedWhileIncomplete += range.length
    } catch (error) {
      if (incoming.signal.aborted) return
      this.#context.logger.info('a piece could not be served', { digest: incoming.digest, error })
      incoming.absent()
      if (session.complete && isLost(error)) this.#lost(session)
    }
  }

  #drop(id: number): void {
    const pending = this.#pending.get(id)
    if (!pending) return
    this.#pending.delete(id)
    this.#heldBytes -= pending.heldBytes
    this.#watch.remove(id)
    this.#queue.remove(id)
    this.#pump()
  }
}
