import { crc32 } from 'node:zlib'
import { hashBytes, type Digest } from '../core/digest.ts'
import { maxRepositories } from '../trust/sharing-rules.ts'

/**
 * What the store knows of a complete blob.
 * @public
 */
export interface BlobFacts {
  /** Length in bytes. */
  readonly sizeBytes: number
  /** It came with credentials, or nobody remembers how it came. */
  readonly private: boolean
  /** What the bytes are, where it was said. */
  readonly mediaType?: string | undefined
  /**
   * Repositories under whose names it came, `registry/repository`, at most 64; absent where there were none. The empty name stands for a time before
   * there was one.
   */
  readonly repositories?: readonly string[] | undefined
}

/** {@link BlobFacts} as they are kept beside the blob. */
export interface BlobRecord extends Omit<BlobFacts, 'private'> {
  /** Absent where nobody knows how the blob came. */
  readonly private?: boolean | undefined
  readonly pinned: boolean
  /** When it was last used, in milliseconds since 1970; brought up to date once an hour. */
  readonly usedAtMs: number
}

/** A record as JSON with a checksum: `{"crc32":…,"record":{…}}`. */
export function encodeRecord(digest: Digest, record: BlobRecord): Uint8Array {
  const { sizeBytes, mediaType, pinned, usedAtMs, repositories } = record
  const text = JSON.stringify({ sizeBytes, private: record.private, mediaType, pinned, usedAtMs, repositories })
  return Buffer.from(`{"crc32":${crc32(digest + text)},"record":${text}}\n`)
}

/** Reads {@link encodeRecord} back; `undefined` when it is damaged, or another blob's. */
export function decodeRecord(digest: Digest, bytes: Uint8Array): BlobRecord | undefined {
  const [, sum, text] =
    /^\{"crc32":(\d{1,10}),"record":(.*)\}\n$/s.exec(Buffer.from(bytes).toString('utf8')) ?? []
  if (text === undefined || Number(sum) !== crc32(digest + text)) return undefined
  return recordIn(text)
}

/** The checksum tells damage, not who wrote it: what decides on access must be what it looks like. */
function recordIn(text: string): BlobRecord | undefined {
  try {
    const { sizeBytes, private: isPrivate, mediaType, pinned, usedAtMs, repositories }: Partial<Record<keyof BlobRecord, unknown>> = JSON.parse(text)
    if (typeof sizeBytes !== 'number' || !Number.isSafeInteger(sizeBytes) || sizeBytes < 0) return undefined
    if (typeof pinned !== 'boolean' || typeof usedAtMs !== 'number' || !Number.isFinite(usedAtMs)) return undefined
    if (isPrivate !== undefined && typeof isPrivate !== 'boolean') return undefined
    if (mediaType !== undefined && typeof mediaType !== 'string') return undefined
    if (repositories !== undefined && !areNames(repositories)) return undefined
    return {
      sizeBytes,
      pinned,
      usedAtMs,
      ...(isPrivate !== undefined && { private: isPrivate }),
      ...(mediaType !== undefined && { mediaType }),
      ...(repositories !== undefined && { repositories }),
    }
  } catch {
    return undefined
  }
}

function areNames(value: unknown): value is string[] {
  return Array.isArray(value) && value.length <= maxRepositories && value.every((name) => typeof name === 'string')
}

/** Names that a blob has, with more of them. One that had none keeps that in mind, as the empty name. */
export function withRepositories(known: readonly string[], more: readonly string[], wasHere: boolean): readonly string[] {
  const before = wasHere && known.length === 0 && more.length > 0 ? [''] : known
  return [...new Set([...before, ...more])].slice(0, maxRepositories)
}

/** Hashes of pieces with a checksum before them. */
export function encodeHashes(digest: Digest, hashes: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(4 + hashes.byteLength)
  bytes.writeUInt32BE(crc32(hashes, crc32(digest)))
  bytes.set(hashes, 4)
  return bytes
}

/**
 * Reads {@link encodeHashes} back; `undefined` when they are damaged, another blob's, or not as many as there are
 * pieces.
 */
export function decodeHashes(
  digest: Digest,
  bytes: Uint8Array,
  pieceCount: number,
): Uint8Array | undefined {
  if (bytes.byteLength !== 4 + pieceCount * hashBytes) return undefined
  const hashes = bytes.subarray(4)
  const sum = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
  return sum === crc32(hashes, crc32(digest)) ? hashes : undefined
}
