import type { Random } from '../../src/core/random.ts'
import type { SessionEvent } from '../../src/engine/session-event.ts'
import type { VirtualTime } from './virtual-time.ts'

export interface LittleOriginOptions {
  /** From the request to the first byte. */
  readonly latencyMs: number
  /** To read one piece. */
  readonly pieceMs: number
}

interface Run {
  count: number
  ended: boolean
}

/** How one node reads from the origin: what it tells its session, and how it is trimmed. */
export interface OriginReader {
  dispatch(event: SessionEvent): void
  /** A piece is here; resolves the pieces' order like a store that writes one after the other. */
  store(piece: number): void
  /** Whether this node reaches the origin now. */
  isReachable(): boolean
}

/** An origin for many nodes. It serves right bytes, fails when told to, and counts what it gave. */
export class LittleOrigin {
  /** Pieces that it gave, whoever got them. */
  servedPieces = 0
  /** Every request fails while it is down. */
  down = false
  /** A run breaks off with these odds a piece. */
  failureOdds = 0
  /** What it asks of those who come while it is down. */
  retryAfterMs: number | undefined
  readonly #time: VirtualTime
  readonly #random: Random
  readonly #options: LittleOriginOptions

  constructor(time: VirtualTime, random: Random, options: LittleOriginOptions) {
    this.#time = time
    this.#random = random
    this.#options = options
  }

  /** Returns what trims the run. */
  read(id: number, first: number, count: number, reader: OriginReader): (count: number) => void {
    const run: Run = { count, ended: false }
    this.#time.after(this.#options.latencyMs, () => this.#next(id, first, 0, run, reader))
    return (kept) => {
      run.count = Math.min(run.count, kept)
      if (run.count === 0) run.ended = true
    }
  }

  #next(id: number, first: number, done: number, run: Run, reader: OriginReader): void {
    if (run.ended) return
    if (done >= run.count) {
      run.ended = true
      reader.dispatch({ type: 'origin:ended', run: id })
      return
    }
    if (this.down || !reader.isReachable() || this.#random.next() < this.failureOdds) {
      run.ended = true
      const retryAfterMs = this.down ? this.retryAfterMs : undefined
      reader.dispatch({ type: 'origin:failed', run: id, retryable: true, retryAfterMs })
      return
    }
    this.#time.after(this.#options.pieceMs / 2, () => {
      if (!run.ended) reader.dispatch({ type: 'origin:moved', run: id })
    })
    this.#time.after(this.#options.pieceMs, () => {
      if (run.ended || done >= run.count) return this.#next(id, first, done, run, reader)
      this.servedPieces++
      reader.store(first + done)
      this.#next(id, first, done + 1, run, reader)
    })
  }
}
