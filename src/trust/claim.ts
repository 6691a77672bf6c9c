import { digestToBytes, hashBytes, type Digest } from '../core/digest.ts'
import type { PieceLayout } from '../core/piece-layout.ts'

/** Pieces whose hashes one claim can hold. */
export const maxClaimPieces = 1024

/** Whose word it is: what a reader may have before the whole is verified depends on it. */
export type ClaimTier = 'trusted' | 'stranger'

/** What somebody signed that the pieces `[first, first + count)` of a blob hash to; docs/spec/claims.md. */
export interface Claim {
  readonly first: number
  readonly count: number
  /** 32 bytes for each piece. */
  readonly hashes: Uint8Array
  /** Who signed it: name of a peer, and its id in binary form. */
  readonly issuer: string
  readonly issuerId: Uint8Array
  readonly signature: Uint8Array
  readonly tier: ClaimTier
}

export function covers({ first, count }: Claim, piece: number): boolean {
  return piece >= first && piece < first + count
}

/** What a claim says that a piece hashes to; the piece must be in its range. A view: not to be changed. */
export function hashIn({ first, hashes }: Claim, piece: number): Uint8Array {
  const start = (piece - first) * hashBytes
  return hashes.subarray(start, start + hashBytes)
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.byteLength !== b.byteLength) return false
  for (let index = 0; index < a.byteLength; index++) if (a[index] !== b[index]) return false
  return true
}

const context = new TextEncoder().encode('damselfly/claim/1\0')
const numbersBytes = 20

/** The bytes that the issuer signs. */
export function signedBytes(digest: Digest, layout: PieceLayout, { first, hashes }: Pick<Claim, 'first' | 'hashes'>): Uint8Array {
  const bytes = new Uint8Array(context.byteLength + hashBytes + numbersBytes + hashes.byteLength)
  bytes.set(context)
  bytes.set(digestToBytes(digest), context.byteLength)
  const start = context.byteLength + hashBytes
  const view = new DataView(bytes.buffer, start, numbersBytes)
  view.setBigUint64(0, BigInt(layout.sizeBytes))
  view.setUint32(8, layout.pieceLength)
  view.setUint32(12, first)
  view.setUint32(16, hashes.byteLength / hashBytes)
  bytes.set(hashes, start + numbersBytes)
  return bytes
}
