import type { Digest } from '../core/digest.ts'
import type { Link, PieceSink } from '../net/link.ts'
import type { InFlightBudget } from './in-flight-budget.ts'

/** What is told of a request; like the link's own, but the memory of a piece is given back by who keeps it. */
export interface LaneSink extends Omit<PieceSink, 'end'> {
  /** Left the queue for the peer: from now on the peer's time counts. */
  sent(): void
  /** @param release - to be called when the piece is out of memory */
  end(release: () => void): void
}

interface Waiting {
  readonly digest: Digest
  readonly piece: number
  readonly sizeBytes: number
  readonly sink: LaneSink
  /** Takes it back; set once it is on the wire. */
  cancel?: () => void
}

/** The requests of all sessions to one peer, first come first served, over the link's few data streams and the node's memory. */
export class RequestLane {
  readonly #link: Link
  readonly #budget: InFlightBudget
  readonly #waiting: Waiting[] = []
  /** Pieces that came whole, and those that the end of a stream cut off. */
  readonly pieces: { given: number; lost: number } = { given: 0, lost: 0 }
  readonly #pump = (): void => {
    while (this.#link.freeRequests > 0 && !this.#link.closed) {
      const [request] = this.#waiting
      if (!request || !this.#budget.take(request.sizeBytes, this.#pump)) return
      this.#waiting.shift()
      this.#send(request)
    }
  }

  constructor(link: Link, budget: InFlightBudget) {
    this.#link = link
    this.#budget = budget
  }

  /** Returns what cancels the request; its sink hears nothing more. */
  request(digest: Digest, piece: number, sizeBytes: number, sink: LaneSink): () => void {
    const request: Waiting = { digest, piece, sizeBytes, sink }
    this.#waiting.push(request)
    this.#pump()
    return () => {
      const index = this.#waiting.indexOf(request)
      if (index >= 0) this.#waiting.splice(index, 1)
      request.cancel?.()
    }
  }

  #send(request: Waiting): void {
    const { sink, sizeBytes } = request
    let released = false
    const release = (): void => {
      if (released) return
      released = true
      this.#budget.give(sizeBytes)
    }
    const ended = (tell: () => void): void => {
      delete request.cancel
      tell()
      this.#pump()
    }
    const failed = (tell: () => void): void => {
      release()
      ended(tell)
    }
    const cancel = this.#link.request(request.digest, request.piece, sizeBytes, {
      header: (announcedBytes) => sink.header(announcedBytes),
      chunk: (bytes) => sink.chunk(bytes),
      end: () => {
        this.pieces.given++
        ended(() => sink.end(release))
      },
      busy: (retryAfterMs) => failed(() => sink.busy(retryAfterMs)),
      absent: () => failed(() => sink.absent()),
      failed: (error) => {
        this.pieces.lost++
        failed(() => sink.failed(error))
      },
    })
    request.cancel = () => failed(cancel)
    // Last: what it leads to may ask for more, or take this request back.
    sink.sent()
  }
}
