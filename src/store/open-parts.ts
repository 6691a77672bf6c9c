import type { Clock } from '../core/clock.ts'
import { mediaTypes } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import type { Logger } from '../core/log.ts'
import type { AbortOptions } from '../core/options.ts'
import { pieceLayout } from '../core/piece-layout.ts'
import type { CompleteBlobs } from './complete-blobs.ts'
import { OpenPart } from './open-part.ts'
import { partInUse, type LeftPart, type Scratch, type ScratchPart } from './scratch.ts'
import type { Space } from './space.ts'

/** What parts are opened with. */
export interface OpenPartsInit {
  readonly scratch: Scratch
  readonly blobs: CompleteBlobs
  readonly space: Space
  readonly clock: Clock
  readonly logger: Logger
}

/** The unfinished blobs that are being written, one part each. */
export class OpenParts {
  readonly #init: OpenPartsInit
  readonly #open = new Map<Digest, Promise<OpenPart>>()

  constructor(init: OpenPartsInit) {
    this.#init = init
  }

  /** @throws {@link StoreError} `ERR_STORE_LOCKED` while it is open, `ERR_STORE_NO_SPACE` when it does not fit */
  async open(digest: Digest, sizeBytes: number, options: AbortOptions): Promise<OpenPart> {
    if (this.#open.has(digest)) throw partInUse(digest)
    const opening = this.#openReserved(digest, sizeBytes, options)
    this.#open.set(digest, opening)
    try {
      return await opening
    } catch (error) {
      if (this.#open.get(digest) === opening) this.#open.delete(digest)
      throw error
    }
  }

  /** Unfinished blobs that nobody writes. */
  async *left(): AsyncGenerator<LeftPart> {
    for await (const left of this.#init.scratch.list()) if (!this.#open.has(left.digest)) yield left
  }

  async close(): Promise<void> {
    const closing = [...this.#open.values()].map(async (opening) => (await opening).close())
    // One that could not be opened has nothing to close.
    await Promise.allSettled(closing)
  }

  async #openReserved(digest: Digest, sizeBytes: number, options: AbortOptions): Promise<OpenPart> {
    const { scratch, space } = this.#init
    const release = await space.reserve(digest, sizeBytes)
    try {
      const part = this.#partOf(digest, sizeBytes, await scratch.open(digest, sizeBytes), release)
      try {
        await part.recover(options.signal)
      } catch (error) {
        await part.abandon()
        throw error
      }
      return part
    } catch (error) {
      release()
      throw error
    }
  }

  #partOf(digest: Digest, sizeBytes: number, scratch: ScratchPart, release: () => void): OpenPart {
    const { blobs, space, clock, logger } = this.#init
    return new OpenPart({
      digest,
      layout: pieceLayout(sizeBytes),
      scratch,
      clock,
      logger,
      owner: {
        async keep(source, facts) {
          const blob = {
            digest,
            size: sizeBytes,
            mediaType: facts.mediaType ?? mediaTypes.octetStream,
          }
          await blobs.keep(blob, source, facts)
          release()
        },
        async read(range) {
          using held = await blobs.acquire(digest)
          return await blobs.reader.read(held.entry, range)
        },
        released: (leftBytes) => {
          release()
          space.leave(digest, leftBytes)
          this.#open.delete(digest)
        },
      },
    })
  }
}
