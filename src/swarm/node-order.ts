import { createHash } from 'node:crypto'
import { digestToBytes, type Digest } from '../core/digest.ts'

/**
 * Where a node stands among those that want a blob: decides who lets go when two fetch the same piece, and where in the blob each begins.
 * @see docs/spec/wire.md, `fetching`
 */
export function orderOf(peerIdBytes: Uint8Array, digest: Digest): Buffer {
  return createHash('sha256').update(peerIdBytes).update(digestToBytes(digest)).digest()
}

/**
 * Where a node stands among all nodes: who is nearest to a digest tracks it.
 * @see docs/spec/tracker.md, Places and ranks
 */
export function placeOf(peerIdBytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(peerIdBytes).digest()
}

/**
 * The topic that stands for a registry host: who reads from it gathers there, to hear when it asks to be left alone.
 * @see docs/spec/tracker.md, The mercy of origins
 */
export function hostTopic(host: string): Digest {
  return `sha256:${createHash('sha256').update(`damselfly host ${host}`).digest('hex')}`
}
