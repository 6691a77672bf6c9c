/**
 * Base of all errors thrown on purpose. Match on `code`: it never changes within a major version,
 * messages do. An aborted call rejects with its signal's `reason` instead.
 * @public
 */
export abstract class SwarmError extends Error {
  /** What went wrong, for programs: `ERR_<GROUP>_<NAME>`. */
  abstract readonly code: `ERR_${string}`
  /** True when the same call may succeed later. */
  abstract readonly retryable: boolean
}

/**
 * Ways in which a peer fails.
 * @public
 */
export type PeerErrorCode =
  | 'ERR_PEER_PIECE_HASH'
  | 'ERR_PEER_PROTOCOL'
  | 'ERR_PEER_STALL'
  | 'ERR_PEER_LIMIT'
  | 'ERR_PEER_REFUSED'
  | 'ERR_PEER_UNREACHABLE'

/**
 * A peer broke the protocol, was too slow, refused, or sent bytes that do not match their hash.
 * The swarm goes on with its other peers and the origin; users see it as a `cause` only.
 * @public
 */
export class PeerError extends SwarmError {
  override readonly name: string = 'PeerError'
  readonly code: PeerErrorCode
  override readonly retryable: boolean
  constructor(code: PeerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.retryable = code !== 'ERR_PEER_PROTOCOL'
  }
}

/**
 * Ways in which an origin fails.
 * @public
 */
export type OriginErrorCode =
  | 'ERR_ORIGIN_AUTH'
  | 'ERR_ORIGIN_DENIED'
  | 'ERR_ORIGIN_NOT_FOUND'
  | 'ERR_ORIGIN_RATE'
  | 'ERR_ORIGIN_UNAVAILABLE'
  | 'ERR_ORIGIN_TRUNCATED'
  | 'ERR_ORIGIN_DIGEST'
  | 'ERR_ORIGIN_SIZE'
  | 'ERR_ORIGIN_REDIRECT'
  | 'ERR_ORIGIN_REALM'
  | 'ERR_ORIGIN_TYPE'
  | 'ERR_ORIGIN_TIMEOUT'
  | 'ERR_ORIGIN_ENCODING'

const retryableOriginCodes: ReadonlySet<OriginErrorCode> = new Set([
  'ERR_ORIGIN_RATE',
  'ERR_ORIGIN_UNAVAILABLE',
  'ERR_ORIGIN_TRUNCATED',
  'ERR_ORIGIN_TIMEOUT',
])

/**
 * Facts about a failure at an origin.
 * @public
 */
export interface OriginErrorOptions extends ErrorOptions {
  /** HTTP status, where there was an answer. */
  status?: number | undefined
  /** How long the origin asked us to stay away, in milliseconds. */
  retryAfterMs?: number | undefined
}

/**
 * The registry or HTTP server refused, failed, or served something that is not what was asked for.
 * @public
 */
export class OriginError extends SwarmError {
  override readonly name: string = 'OriginError'
  readonly code: OriginErrorCode
  override readonly retryable: boolean
  /** HTTP status, where there was an answer. */
  readonly status: number | undefined
  /** How long the origin asked us to stay away, in milliseconds. */
  readonly retryAfterMs: number | undefined
  constructor(code: OriginErrorCode, message: string, options: OriginErrorOptions = {}) {
    super(message, options)
    this.code = code
    this.retryable = retryableOriginCodes.has(code)
    this.status = options.status
    this.retryAfterMs = options.retryAfterMs
  }
}

/**
 * Bytes hashed to something other than the digest they were asked by.
 * @public
 */
export class DigestMismatchError extends OriginError {
  override readonly name = 'DigestMismatchError'
  /** The digest that was asked for. */
  readonly expected: string
  /** The digest of what came. */
  readonly actual: string
  constructor(expected: string, actual: string, options?: OriginErrorOptions) {
    super(
      'ERR_ORIGIN_DIGEST',
      `expected ${expected}, got ${actual}: the origin serves other bytes under this name; push the image again`,
      options,
    )
    this.expected = expected
    this.actual = actual
  }
}

/**
 * Ways in which the store fails.
 * @public
 */
export type StoreErrorCode =
  | 'ERR_STORE_NO_SPACE'
  | 'ERR_STORE_IO'
  | 'ERR_STORE_CORRUPT'
  | 'ERR_STORE_LOCKED'
  | 'ERR_STORE_READ_ONLY'
  | 'ERR_STORE_NOT_FOUND'
  | 'ERR_STORE_CLOSED'

/**
 * The store could not keep or give bytes.
 * @public
 */
export class StoreError extends SwarmError {
  override readonly name: string = 'StoreError'
  readonly code: StoreErrorCode
  override readonly retryable: boolean
  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.retryable = code === 'ERR_STORE_NO_SPACE' || code === 'ERR_STORE_LOCKED'
  }
}

/**
 * A backend was asked for a blob that it does not hold.
 * @public
 */
export class BlobNotFoundError extends StoreError {
  override readonly name = 'BlobNotFoundError'
  /** The blob that was asked for. */
  readonly digest: string
  constructor(digest: string, options?: ErrorOptions) {
    super('ERR_STORE_NOT_FOUND', `${digest} is not in the store`, options)
    this.digest = digest
  }
}

/**
 * Ways in which a caller's input is wrong.
 * @public
 */
export type RequestErrorCode =
  | 'ERR_REQUEST_NAME'
  | 'ERR_REQUEST_DIGEST'
  | 'ERR_REQUEST_SIZE'
  | 'ERR_REQUEST_RANGE'
  | 'ERR_REQUEST_TOO_LARGE'
  | 'ERR_REQUEST_PLATFORM'
  | 'ERR_REQUEST_OPTION'

/**
 * The caller asked for something that cannot be: a malformed reference, digest, range or option.
 * The message says what would be right.
 * @public
 */
export class RequestError extends SwarmError {
  override readonly name = 'RequestError'
  readonly code: RequestErrorCode
  override readonly retryable = false
  constructor(code: RequestErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/**
 * Ways in which a transfer as a whole fails.
 * @public
 */
export type TransferErrorCode = 'ERR_SWARM_NO_SOURCE' | 'ERR_SWARM_CLOSED'

/**
 * No source was left for a blob (the last one's failure is the `cause`), or the swarm was closed under the call.
 * @public
 */
export class TransferError extends SwarmError {
  override readonly name = 'TransferError'
  readonly code: TransferErrorCode
  override readonly retryable: boolean
  constructor(code: TransferErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.retryable = code === 'ERR_SWARM_NO_SOURCE'
  }
}

/** A branch that the types say cannot be reached; a new member of a union fails to compile here. */
export function assertNever(value: never): never {
  throw new TypeError(`unexpected ${JSON.stringify(value)}`)
}
