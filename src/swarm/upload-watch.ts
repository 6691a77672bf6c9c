import type { Clock } from '../core/clock.ts'
import type { IncomingRequest } from '../net/link.ts'

const lookEveryMs = 500
/** A peer that takes nothing for so long while another one does is in the others' way. */
const stuckMs = 1000
/** When nobody takes anything it may be our uplink; after this long it is the peers. */
const allStuckMs = 2000

/** What is told of uploads that are under way. */
export interface UploadWatchHandlers {
  /** The peer takes nothing. */
  stalled(id: number): void
  /** It does again. */
  moved(id: number): void
}

interface Watched {
  readonly incoming: IncomingRequest
  unsentBytes: number
  movedMs: number
  isStalled: boolean
}

/** Sees which uploads move. */
export class UploadWatch {
  readonly #clock: Clock
  readonly #handlers: UploadWatchHandlers
  readonly #watched = new Map<number, Watched>()
  #cancelTimer: (() => void) | undefined
  #movedMs = 0

  constructor(clock: Clock, handlers: UploadWatchHandlers) {
    this.#clock = clock
    this.#handlers = handlers
  }

  add(id: number, incoming: IncomingRequest): void {
    const now = this.#clock.monotonicMs()
    this.#watched.set(id, { incoming, unsentBytes: 0, movedMs: now, isStalled: false })
    this.#cancelTimer ??= this.#clock.after(lookEveryMs, this.#look)
  }

  remove(id: number): void {
    if (!this.#watched.delete(id)) return
    // Whatever its end was, the peer of another one may still take nothing.
    this.#movedMs = this.#clock.monotonicMs()
    if (this.#watched.size > 0) return
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }

  /** The one that has not moved for longest, if any is stuck. */
  longestStalled(): IncomingRequest | undefined {
    let longest: Watched | undefined
    for (const watched of this.#watched.values()) {
      if (watched.isStalled && (!longest || watched.movedMs < longest.movedMs)) longest = watched
    }
    return longest?.incoming
  }

  readonly #look = (): void => {
    const now = this.#clock.monotonicMs()
    for (const [id, watched] of this.#watched) {
      const { unsentBytes } = watched.incoming
      if (unsentBytes === watched.unsentBytes && unsentBytes > 0) continue
      watched.unsentBytes = unsentBytes
      watched.movedMs = this.#movedMs = now
      if (watched.isStalled) this.#handlers.moved(id)
      watched.isStalled = false
    }
    for (const [id, watched] of this.#watched) {
      const stillMs = now - watched.movedMs
      const isStuck = stillMs >= (now - this.#movedMs < stuckMs ? stuckMs : allStuckMs)
      if (watched.isStalled || !isStuck) continue
      watched.isStalled = true
      this.#handlers.stalled(id)
    }
    this.#cancelTimer = this.#watched.size > 0 ? this.#clock.after(lookEveryMs, this.#look) : undefined
  }
}
