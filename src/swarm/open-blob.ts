import { rangeWithin, type ByteRange } from '../core/byte-range.ts'
import type { Digest } from '../core/digest.ts'
import type { AbortOptions } from '../core/options.ts'
import type { BlobSession } from './blob-session.ts'
import { readWhileLoading } from './blob-reader.ts'
import { isLost } from './lost-blob.ts'
import type { StreamOptions } from '../store/piece-store.ts'
import type { StoredBlob } from './stored-blob.ts'
import { waitFor } from './transfer-task.ts'

/**
 * A blob that is here, or on its way for as long as this is open. Any number of readers share the download; where they read, it comes first.
 * @public
 */
export interface OpenBlob extends AsyncDisposable {
  readonly digest: Digest
  readonly sizeBytes: number
  /** What the bytes are, where that is known. */
  readonly mediaType: string | undefined
  /** It is whole, verified and in the store. */
  readonly complete: boolean
  /**
   * Its bytes, in order, each as soon as it is proven.
   * @param range - part of them; without it, all
   * @throws as `Swarm.fetchLayer` does; {@link RequestError} `ERR_REQUEST_RANGE` when the range is not inside the blob
   */
  stream(range?: ByteRange, options?: StreamOptions): AsyncIterable<Uint8Array>
  /** Resolves when it is complete; throws as `Swarm.fetchLayer` does. */
  completed(options?: AbortOptions): Promise<void>
  /** The download ends unless somebody else wants it. */
  close(): Promise<void>
}

/**
 * A blob that the store has.
 * @param anew - opens it once more, for what is left to read when the store has lost it
 */
export function openStored(blob: StoredBlob, anew: (options: AbortOptions) => Promise<OpenBlob>): OpenBlob {
  const close = (): Promise<void> => blob.close()
  const { digest, sizeBytes, mediaType } = blob
  return {
    digest,
    sizeBytes,
    mediaType,
    complete: true,
    stream: (range, options) => readStored(blob, range, options, anew),
    completed: async () => {},
    close,
    [Symbol.asyncDispose]: close,
  }
}

async function* readStored(
  blob: StoredBlob,
  range: ByteRange | undefined,
  options: StreamOptions = {},
  anew: (options: AbortOptions) => Promise<OpenBlob>,
): AsyncGenerator<Uint8Array> {
  let { offset, length } = rangeWithin(blob.sizeBytes, range)
  try {
    for await (const chunk of blob.stream({ offset, length }, options)) {
      offset += chunk.byteLength
      length -= chunk.byteLength
      yield chunk
    }
  } catch (error) {
    // What was given out was right; the rest of it comes from where the blob came from.
    if (!isLost(error)) throw error
    await using rest = await anew(options)
    yield* rest.stream({ offset, length }, options)
  }
}

/** @param leave - called once, when nobody here needs the session any more */
export function openLoading(session: BlobSession, leave: () => void): OpenBlob {
  let left = false
  const close = async (): Promise<void> => {
    if (left) return
    left = true
    leave()
  }
  return {
    digest: session.digest,
    sizeBytes: session.layout.sizeBytes,
    mediaType: session.mediaType,
    get complete() {
      return session.complete
    },
    stream: (range, options = {}) => readWhileLoading(session, range, options),
    completed: (options = {}) => waitFor(session, () => session.complete, options),
    close,
    [Symbol.asyncDispose]: close,
  }
}
