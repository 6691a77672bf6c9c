import { pieceRange } from '../core/piece-layout.ts'
import { UploadQueue, uploadRank, type UploadRequest } from '../engine/upload-queue.ts'
import type { LinkId } from '../engine/session-event.ts'
import type { IncomingRequest } from '../net/link.ts'
import { limits } from '../wire/protocol.ts'
import type { BlobSession } from './blob-session.ts'
import type { LinkEntry, SwarmContext } from './swarm-context.ts'

interface Pending {
  readonly link: LinkId
  readonly incoming: IncomingRequest
  readonly session: BlobSession
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
  readonly served: ServedBytes = { served: 0, servedWhileIncomplete: 0 }
  #nextId = 1

  constructor(context: SwarmContext) {
    this.#context = context
  }

  /** A peer asks for a piece of a blob that we may share. */
  take(entry: LinkEntry, incoming: IncomingRequest, session: BlobSession | undefined): void {
    if (!session?.canServe(incoming.piece)) return incoming.absent()
    const id = this.#nextId++
    const answer = this.#queue.add({ id, link: entry.id, digest: incoming.digest, piece: incoming.piece })
    if (answer !== 'queued') return incoming.busy(Math.min(answer, limits.busyMs))
    this.#pending.set(id, { link: entry.id, incoming, session })
    incoming.signal.addEventListener('abort', () => this.#drop(id), { once: true })
    if (incoming.signal.aborted) this.#drop(id)
    this.#pump()
  }

  #pump(): void {
    const rank = (request: UploadRequest): number => {
      const session = this.#pending.get(request.id)?.session
      return session ? uploadRank(session.state, request.link, request.piece) : 0
    }
    for (let next = this.#queue.next(rank); next; next = this.#queue.next(rank)) {
      const { id } = next
      const pending = this.#pending.get(id)
      if (!pending) this.#queue.remove(id)
      else void this.#serve(pending).finally(() => this.#drop(id))
    }
  }

  async #serve({ link, incoming, session }: Pending): Promise<void> {
    const range = pieceRange(session.layout, incoming.piece)
    try {
      if (!session.canServe(incoming.piece)) return incoming.absent()
      const { complete } = session
      const bytes = await session.read(range)
      if (incoming.signal.aborted) return
      await incoming.serve(range.length, [bytes])
      session.gave(link, incoming.piece)
      this.served.served += range.length
      if (!complete) this.served.servedWhileIncomplete += range.length
    } catch (error) {
      if (incoming.signal.aborted) return
      this.#context.logger.info('a piece could not be served', { digest: incoming.digest, error })
      incoming.absent()
    }
  }

  #drop(id: number): void {
    if (!this.#pending.delete(id)) return
    this.#queue.remove(id)
    this.#pump()
  }
}
