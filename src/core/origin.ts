import type { ByteRange } from './byte-range.ts'
import type { AbortOptions } from './options.ts'

/**
 * The registry or server to which the swarm may fall back for one blob. `registryOrigin()` and `httpOrigin(url)`
 * make one; write your own for any other source of a blob whose digest is known.
 * @public
 */
export interface Origin {
  /** What it is called in logs and statistics, without secrets: `registry.example.com/team/app`. */
  readonly name: string
  /**
   * Hosts that it asks, in this order, with a port where one is not the scheme's: `registry-1.docker.io`. What one node
   * is asked by a host, others may hear of before they ask it themselves. Leave it out where there are none.
   */
  readonly hosts?: readonly string[] | undefined
  /**
   * Bytes of the blob, in order. It need not check them: the swarm does.
   *
   * @param range - the bytes asked for; without it, the whole blob
   * @param options - `onWait`, which must not throw, is called when a host asks to be left alone and the read, its body
   * included, is held back for that: for how many milliseconds from now, and again when that gets longer
   * @throws {@link OriginError} as it fails; the swarm retries only what is `retryable`
   */
  read(
    range: ByteRange | undefined,
    options?: AbortOptions & { readonly onWait?: ((durationMs: number) => void) | undefined },
  ): Promise<OriginBody>
  /**
   * Whether anybody may read what it gives: one request without credentials. Asked when it gave something for credentials. Leave it out where that
   * means that it is private.
   *
   * @returns `undefined` when the origin cannot be reached, or does not say
   * @throws `signal.reason` when aborted
   */
  isPublic?(options?: AbortOptions): Promise<boolean | undefined>
}

/**
 * An origin's answer.
 * @public
 */
export interface OriginBody {
  /** Length of the whole blob in bytes, where the origin says. */
  readonly sizeBytes?: number | undefined
  /** True when the origin gave the bytes only because we showed credentials: the blob is then private. */
  readonly usedCredentials: boolean
  /** What the origin says the bytes are. */
  readonly mediaType?: string | undefined
  /** The bytes of the range, in order, in chunks of any length. Leaving the loop early closes the connection or drains it. */
  readonly chunks: AsyncIterable<Uint8Array>
}
