import { createHash, type Hash } from 'node:crypto'
import type { Bitfield } from '../core/bitfield.ts'
import type { Digest } from '../core/digest.ts'
import { StoreError } from '../core/errors.ts'
import { pieceRange, type PieceLayout } from '../core/piece-layout.ts'

/** Bytes read back at once: few system calls, and small enough for the caches. */
const readBytes = 1024 * 1024

/**
 * Hashes a blob while its pieces come in any order: what comes in order at once, the rest is read back as soon as the
 * gap before it is filled. So the digest is known soon after the last piece, without another pass over all of it.
 */
export class PrefixHasher {
  readonly #layout: PieceLayout
  readonly #stored: Bitfield
  readonly #readInto: (target: Uint8Array, offset: number) => Promise<void>
  #hash: Hash = createHash('sha256')
  #next = 0
  #digest: Digest | undefined
  /** Grows when pieces behind us changed: what is being read back then is no longer of use. */
  #generation = 0
  #running: Promise<void> | undefined
  /** Reused for all reads: a hash has taken its bytes in when update returns. */
  #buffer: Buffer | undefined
  #stopped = false

  /**
   * @param stored - the pieces that may be read; the owner's own, so that it is up to date
   * @param readInto - never called twice at a time
   */
  constructor(
    layout: PieceLayout,
    stored: Bitfield,
    readInto: (target: Uint8Array, offset: number) => Promise<void>,
  ) {
    this.#layout = layout
    this.#stored = stored
    this.#readInto = readInto
  }

  /** A piece was stored, and these are its bytes. */
  offer(piece: number, chunks: readonly Uint8Array[]): void {
    if (piece === this.#next && !this.#running) this.#take(chunks)
    this.advance()
  }

  /** Pieces were stored. Failures wait for {@link finish}, which tries again. */
  advance(): void {
    if (this.#stored.has(this.#next)) this.#run().catch(() => {})
  }

  /** Pieces are not what they were. */
  forget(pieces: Iterable<number>): void {
    for (const piece of pieces) {
      // Of the next piece, a run may have taken half.
      if (piece < this.#next || (piece === this.#next && this.#running)) return this.#restart()
    }
  }

  /** The digest, once all pieces are stored. */
  async finish(): Promise<Digest> {
    while (this.#next < this.#layout.pieceCount) {
      if (this.#stopped || !this.#stored.has(this.#next)) {
        throw new StoreError(
          'ERR_STORE_CLOSED',
          'the unfinished blob was changed or closed while it was verified',
        )
      }
      await this.#run()
    }
    this.#digest ??= `sha256:${this.#hash.digest('hex')}`
    return this.#digest
  }

  /** Reads no more; resolves when nothing is being read. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running?.catch(() => {})
  }

  #take(chunks: readonly Uint8Array[]): void {
    for (const chunk of chunks) this.#hash.update(chunk)
    this.#next++
  }

  #restart(): void {
    this.#hash = createHash('sha256')
    this.#next = 0
    this.#digest = undefined
    this.#generation++
  }

  #run(): Promise<void> {
    this.#running ??= this.#readBack()
      .catch((error: unknown) => {
        this.#restart()
        throw error
      })
      .finally(() => {
        this.#running = undefined
      })
    return this.#running
  }

  async #readBack(): Promise<void> {
    this.#buffer ??= Buffer.allocUnsafeSlow(Math.min(readBytes, this.#layout.pieceLength))
    while (!this.#stopped && this.#stored.has(this.#next)) {
      const generation = this.#generation
      const { offset, length } = pieceRange(this.#layout, this.#next)
      for (let done = 0; done < length && generation === this.#generation;) {
        const target = this.#buffer.subarray(0, Math.min(this.#buffer.byteLength, length - done))
        await this.#readInto(target, offset + done)
        done += target.byteLength
        if (generation === this.#generation) this.#hash.update(target)
      }
      if (generation === this.#generation) this.#next++
    }
  }
}
