import { createHash } from 'node:crypto'
import { digestToBytes, type Digest } from '../core/digest.ts'

/**
 * Where a node stands among those that want a blob: decides who lets go when two fetch the same piece, and where in the blob each begins.
 * @see docs/spec/wire.md, `fetching`
 */
export function orderOf(peerIdBytes: Uint8Array, digest: Digest): Buffer {
  return createHash('sha256').update(peerIdBytes).update(digestToBytes(digest)).digest()
}
