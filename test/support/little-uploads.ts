import type { Digest } from '../../src/core/digest.ts'
import type { LinkId, RequestOutcome } from '../../src/engine/session-event.ts'
import { UploadQueue, type UploadRequest } from '../../src/engine/upload-queue.ts'

/** A piece that a neighbour asked for, and how it hears of it. */
export interface LittleUpload {
  readonly link: LinkId
  readonly piece: number
  moved(): void
  answer(outcome: RequestOutcome): void
}

export interface LittleUploadsInit {
  /** To give one piece away. */
  readonly pieceMs: number
  readonly rank: (request: UploadRequest) => number
  /** How an upload ends when its time is over. */
  readonly outcome: (piece: number) => RequestOutcome
  readonly later: (delayMs: number, run: () => void) => void
}

const digest: Digest = `sha256:${'0'.repeat(64)}`
const requestsPerLink = 16

/** What one node of a little swarm gives away, in the order of the production queue. */
export class LittleUploads {
  readonly #init: LittleUploadsInit
  readonly #queue = new UploadQueue(requestsPerLink)
  readonly #uploads = new Map<number, LittleUpload>()
  #nextId = 1

  constructor(init: LittleUploadsInit) {
    this.#init = init
  }

  /** Returns what cancels the upload. */
  add(upload: LittleUpload): () => void {
    const { link, piece } = upload
    const id = this.#nextId++
    const answer = this.#queue.add({ id, link, digest, piece })
    if (answer !== 'queued') {
      upload.answer({ kind: 'busy', retryAfterMs: answer })
      return () => {}
    }
    this.#uploads.set(id, upload)
    this.#pump()
    return () => this.#remove(id)
  }

  #remove(id: number): boolean {
    if (!this.#uploads.delete(id)) return false
    this.#queue.remove(id)
    this.#pump()
    return true
  }

  #pump(): void {
    const { pieceMs, rank, outcome, later } = this.#init
    for (let next = this.#queue.next(rank); next; next = this.#queue.next(rank)) {
      const { id, piece } = next
      const upload = this.#uploads.get(id)
      later(pieceMs / 2, () => {
        if (this.#uploads.has(id)) upload?.moved()
      })
      later(pieceMs, () => {
        if (this.#remove(id)) upload?.answer(outcome(piece))
      })
    }
  }
}
