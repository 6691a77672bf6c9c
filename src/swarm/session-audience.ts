/** Who wants to know what becomes of a session. */
export interface SessionObserver {
  /** Pieces came, or the session ended. */
  changed?(): void
  /** Pieces that were here are not any more. */
  dropped?(pieces: readonly number[]): void
}

/** Those on this node who follow one session: who is told what becomes of it, and who reads the blob in order. */
export class SessionAudience {
  readonly #observers = new Set<SessionObserver>()
  readonly #readers = new Map<object, number>()
  readonly #readersMoved: (pieces: number[]) => void

  /** @param readersMoved - told where readers are whenever that changes */
  constructor(readersMoved: (pieces: number[]) => void) {
    this.#readersMoved = readersMoved
  }

  /** How many read in order. */
  get readerCount(): number {
    return this.#readers.size
  }

  get isEmpty(): boolean {
    return this.#observers.size === 0 && this.#readers.size === 0
  }

  /** Returns what ends it. */
  observe(observer: SessionObserver): () => void {
    this.#observers.add(observer)
    return () => this.#observers.delete(observer)
  }

  /** Somebody reads in order: pieces from where they are on come sooner. */
  addReader(): { moveTo(piece: number): void; close(): void } {
    const reader = {}
    const moved = (): void => this.#readersMoved([...new Set(this.#readers.values())])
    return {
      moveTo: (piece) => {
        if (this.#readers.get(reader) === piece) return
        this.#readers.set(reader, piece)
        moved()
      },
      close: () => {
        if (this.#readers.delete(reader)) moved()
      },
    }
  }

  changed(): void {
    for (const observer of Array.from(this.#observers)) observer.changed?.()
  }

  dropped(pieces: readonly number[]): void {
    for (const observer of this.#observers) observer.dropped?.(pieces)
  }
}
