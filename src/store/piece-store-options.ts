import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/log.ts'
import type { AbortOptions } from '../core/options.ts'
import type { Scratch } from './scratch.ts'

/**
 * Settings of {@link PieceStore.open}.
 * @public
 */
export interface PieceStoreOptions {
  /**
   * Where unfinished blobs live. The store closes it.
   * @defaultValue files in the directory of a backend that has one, else memory
   */
  scratch?: Scratch | undefined
  /**
   * Bytes that all blobs together may take. To stay within, those not used for longest are deleted.
   * @defaultValue no limit
   */
  quotaBytes?: number | undefined
  /** @defaultValue the machine's */
  clock?: Clock | undefined
  /** Hears of damaged blobs and of files that are not ours. @defaultValue says nothing */
  logger?: Logger | undefined
}

/**
 * How a blob is read.
 * @public
 */
export interface StreamOptions extends AbortOptions {
  /**
   * Lets the memory of each chunk be used again for the next one, once that is asked for. For readers that have sent or copied a chunk by then: it is
   * several times as fast.
   * @defaultValue `false`
   */
  reuse?: boolean | undefined
}

/**
 * How a blob is taken in.
 * @public
 */
export interface ImportOptions extends AbortOptions {
  /** It came with credentials: it is not to be offered outside a closed network. @defaultValue `false` */
  private?: boolean | undefined
  /** The name under which it came: `registry/repository`. It joins those of a blob that is here already. */
  repository?: string | undefined
}

/**
 * How a file is taken in.
 * @public
 */
export interface ImportFileOptions extends ImportOptions {
  /** What its bytes are. @defaultValue `application/octet-stream` */
  mediaType?: string | undefined
}

/**
 * How much a store holds.
 * @public
 */
export interface StoreUsage {
  /** Bytes of all blobs, complete or not. Those being written count in full. */
  readonly usedBytes: number
  /** The limit, where there is one. */
  readonly quotaBytes?: number | undefined
  /** How many complete blobs there are. */
  readonly blobCount: number
}
