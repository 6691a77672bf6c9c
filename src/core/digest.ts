import { createHash } from 'node:crypto'
import { RequestError } from './errors.ts'
import { quoted } from './quoted.ts'

/**
 * Name of a blob: the algorithm and the hash of its bytes, `sha256:` and 64 lower-case hex digits.
 * Other algorithms of the OCI grammar are refused: the swarm's piece layout and wire form rest on sha256.
 *
 * @see {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#digests}
 * @public
 */
export type Digest = `sha256:${string}`

const sha256Pattern = /^sha256:[0-9a-f]{64}$/
const sha512Pattern = /^sha512:[0-9a-f]{128}$/

/** Length of a raw sha256 hash, in bytes. */
export const hashBytes = 32

/**
 * Whether `text` is a digest in the exact form that the swarm uses.
 * @public
 */
export function isDigest(text: string): text is Digest {
  // A pattern would take a list with one digest for its text.
  return typeof text === 'string' && sha256Pattern.test(text)
}

/**
 * Checks a digest that came from outside.
 *
 * @throws {@link RequestError} `ERR_REQUEST_DIGEST` when it is not `sha256:` and 64 lower-case hex digits
 * @public
 */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text
  const shown = quoted(text)
  throw new RequestError(
    'ERR_REQUEST_DIGEST',
    sha512Pattern.test(text)
      ? `${shown} is a sha512 digest: only sha256 blobs travel through the swarm`
      : `${shown} is not a digest: write sha256: and 64 lower-case hex digits`,
  )
}

/** The 32 raw bytes of a digest, as the wire carries them. */
export function digestToBytes(digest: Digest): Uint8Array {
  return Buffer.from(digest.slice(7), 'hex')
}

/** The digest whose raw bytes these are. */
export function digestFromBytes(bytes: Uint8Array): Digest {
  return `sha256:${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`
}

/** The hex digits of a digest, for file names. */
export function digestHex(digest: Digest): string {
  return digest.slice(7)
}

/**
 * The digest of bytes that are all in memory.
 * @public
 */
export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** Hashes a stream of bytes; {@link Hasher.raw} and {@link Hasher.digest} end it. */
export interface Hasher {
  update(bytes: Uint8Array): void
  /** The 32 raw bytes. */
  raw(): Uint8Array
  digest(): Digest
}

/** An incremental sha256 on Node's native implementation (1.8 GB/s a core; no JS or wasm hash comes near). */
export function createHasher(): Hasher {
  const hash = createHash('sha256')
  return {
    update: (bytes) => void hash.update(bytes),
    raw: () => hash.digest(),
    digest: () => `sha256:${hash.digest('hex')}`,
  }
}
