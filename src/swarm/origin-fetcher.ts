import { pipe } from 'it-pipe'
import { createHasher } from '../core/digest.ts'
import { OriginError } from '../core/errors.ts'
import type { Origin, OriginBody } from '../core/origin.ts'
import { pieceRange, piecesRange, type PieceLayout } from '../core/piece-layout.ts'

/** A piece as the origin gave it; only the blob's digest can say whether it is right. */
export interface OriginPiece {
  readonly piece: number
  readonly chunks: readonly Uint8Array[]
  readonly hash: Uint8Array
}

/** What happens while a run is read. */
export interface RunHandlers {
  /** The origin's host wants to be left alone for that long. */
  waits(durationMs: number): void
  moved(): void
  /** The origin answered; before the first piece. */
  answered(answer: OriginBody): Promise<void>
  /** Resolves when the piece is stored: the origin is read no faster than that. */
  piece(piece: OriginPiece): Promise<void>
  ended(): void
  failed(error: unknown): void
}

interface Run {
  readonly first: number
  count: number
  readonly controller: AbortController
}

/** Reads runs of pieces of one blob from its origin. */
export class OriginFetcher {
  readonly #layout: PieceLayout
  readonly #runs = new Map<number, Run>()

  constructor(layout: PieceLayout) {
    this.#layout = layout
  }

  start(id: number, first: number, count: number, origin: Origin, handlers: RunHandlers): void {
    const run: Run = { first, count, controller: new AbortController() }
    this.#runs.set(id, run)
    this.#read(run, origin, handlers)
      .then(() => handlers.ended(), (error: unknown) => {
        const stopped = run.controller.signal.aborted
        // A body that is not read to its end is let go: it holds a connection.
        run.controller.abort()
        if (!stopped) handlers.failed(error)
      })
      .finally(() => this.#runs.delete(id))
  }

  /** Reads only `count` pieces of a run; a run trimmed to nothing ends now and is not heard of again. */
  trim(id: number, count: number): void {
    const run = this.#runs.get(id)
    if (!run) return
    run.count = Math.min(run.count, count)
    if (run.count === 0) run.controller.abort()
  }

  stop(): void {
    for (const run of this.#runs.values()) run.controller.abort()
  }

  async #read(run: Run, origin: Origin, handlers: RunHandlers): Promise<void> {
    const { signal } = run.controller
    const body = await origin.read(piecesRange(this.#layout, run.first, run.count), {
      signal,
      onWait: (durationMs) => handlers.waits(durationMs),
    })
    this.#checkSize(body.sizeBytes)
    await handlers.answered(body)
    await pipe(
      body.chunks,
      (chunks: AsyncIterable<Uint8Array>) => cutIntoPieces(chunks, this.#layout, run, () => handlers.moved()),
      async (pieces: AsyncIterable<OriginPiece>) => {
        for await (const piece of pieces) {
          signal.throwIfAborted()
          await handlers.piece(piece)
        }
      },
    )
  }

  #checkSize(sizeBytes: number | undefined): void {
    if (sizeBytes === undefined || sizeBytes === this.#layout.sizeBytes) return
    throw new OriginError(
      'ERR_ORIGIN_SIZE',
      `the origin's blob has ${sizeBytes} bytes where the manifest says ${this.#layout.sizeBytes}`,
    )
  }
}

/** Cuts a body into pieces at their bounds without copying. Ends early when the run was trimmed; a short body is an error. */
async function* cutIntoPieces(
  chunks: AsyncIterable<Uint8Array>,
  layout: PieceLayout,
  run: Run,
  moved: () => void,
): AsyncGenerator<OriginPiece> {
  let piece = run.first
  let parts: Uint8Array[] = []
  let hasher = createHasher()
  let missing = pieceRange(layout, piece).length
  for await (const chunk of chunks) {
    moved()
    let rest = chunk
    while (rest.byteLength > 0 && piece < run.first + run.count) {
      const part = rest.subarray(0, missing)
      parts.push(part)
      hasher.update(part)
      missing -= part.byteLength
      rest = rest.subarray(part.byteLength)
      if (missing > 0) break
      yield { piece, chunks: parts, hash: hasher.raw() }
      piece++
      parts = []
      hasher = createHasher()
      if (piece < layout.pieceCount) missing = pieceRange(layout, piece).length
    }
    if (piece >= run.first + run.count) return
  }
  throw new OriginError('ERR_ORIGIN_TRUNCATED', `the origin ended its answer ${missing} bytes before the end of a piece`)
}
