import type { LinkId } from './session-event.ts'

/** A piece that we asked a peer for. */
export interface OutstandingRequest {
  readonly link: LinkId
  readonly piece: number
  readonly sizeBytes: number
  /** When it left, by our clock. Waiting for a free data stream of ours is not held against the peer. */
  sentMs: number
  sent: boolean
  movedMs: number
  /** Bytes that came since `paceMs`; both begin anew every ten seconds. */
  paceBytes: number
  paceMs: number
  /** Set when the last byte is here, and the piece is being checked and stored. */
  arrived: boolean
}

const none: readonly OutstandingRequest[] = []

/** What we asked for and have not got. A piece is asked for twice in the endgame only. */
export class RequestBook {
  readonly #byPiece = new Map<number, OutstandingRequest[]>()
  readonly #countByLink = new Map<LinkId, number>()
  #count = 0

  get count(): number {
    return this.#count
  }

  /** How many links are asked for something. */
  get linkCount(): number {
    return this.#countByLink.size
  }

  countOf(link: LinkId): number {
    return this.#countByLink.get(link) ?? 0
  }

  of(piece: number): readonly OutstandingRequest[] {
    return this.#byPiece.get(piece) ?? none
  }

  find(link: LinkId, piece: number): OutstandingRequest | undefined {
    for (const request of this.of(piece)) if (request.link === link) return request
    return undefined
  }

  /** A list of its own: requests may be removed while it is walked. */
  all(): OutstandingRequest[] {
    return [...this.#byPiece.values()].flat()
  }

  add(link: LinkId, piece: number, sizeBytes: number, now: number): void {
    const request = { link, piece, sizeBytes, sentMs: now, sent: false, movedMs: now, paceBytes: 0, paceMs: now, arrived: false }
    const requests = this.#byPiece.get(piece)
    if (requests) requests.push(request)
    else this.#byPiece.set(piece, [request])
    this.#countByLink.set(link, this.countOf(link) + 1)
    this.#count++
  }

  remove(request: OutstandingRequest): void {
    const requests = this.of(request.piece)
    if (!requests.includes(request)) return
    if (requests.length === 1) this.#byPiece.delete(request.piece)
    // A new list: whoever removes may be walking the old one.
    else this.#byPiece.set(request.piece, requests.filter((other) => other !== request))
    const left = this.countOf(request.link) - 1
    if (left > 0) this.#countByLink.set(request.link, left)
    else this.#countByLink.delete(request.link)
    this.#count--
  }
}
