import type { ByteRange } from './byte-range.ts'

const kib = 1024
const mib = 1024 * kib

/** A blob of up to this many bytes is one piece, and needs no piece hash but its digest. */
const singlePieceBytes: number = mib
const minPieceBytes = 256 * kib
const usualMaxPieceBytes = 4 * mib
/** No piece is longer, in bytes; a blob that would then have too many pieces is refused. */
export const maxPieceBytes: number = 16 * mib
/** Blobs have at most this many pieces as long as {@link maxPieceBytes} allows it; the largest blob has four times as many. */
const usualMaxPieceCount = 16_384
/** Most pieces that any accepted blob has: 1 TiB in pieces of 16 MiB. */
export const maxPieceCount: number = 65_536

/**
 * How a blob is cut into pieces. A protocol constant: all nodes cut a blob of one size alike.
 * @public
 */
export interface PieceLayout {
  readonly sizeBytes: number
  /** Length of every piece but the last, in bytes. */
  readonly pieceLength: number
  readonly pieceCount: number
}

/**
 * The layout of a blob. One piece up to 1 MiB; above, the smallest power of two that is at least size / 1024,
 * within 256 KiB and 4 MiB, growing to 16 MiB where there would be more than 16,384 pieces.
 * An empty blob has no piece.
 */
export function pieceLayout(sizeBytes: number): PieceLayout {
  if (sizeBytes <= singlePieceBytes) {
    return { sizeBytes, pieceLength: singlePieceBytes, pieceCount: sizeBytes === 0 ? 0 : 1 }
  }
  let pieceLength = minPieceBytes
  while (pieceLength < usualMaxPieceBytes && pieceLength < sizeBytes / 1024) pieceLength *= 2
  while (pieceLength < maxPieceBytes && sizeBytes / pieceLength > usualMaxPieceCount) pieceLength *= 2
  return { sizeBytes, pieceLength, pieceCount: Math.ceil(sizeBytes / pieceLength) }
}

/** The bytes of a piece. */
export function pieceRange(layout: PieceLayout, piece: number): ByteRange {
  const offset = piece * layout.pieceLength
  return { offset, length: Math.min(layout.pieceLength, layout.sizeBytes - offset) }
}

/** The bytes of pieces `[first, first + count)`. */
export function piecesRange(layout: PieceLayout, first: number, count: number): ByteRange {
  const offset = first * layout.pieceLength
  return { offset, length: Math.min(count * layout.pieceLength, layout.sizeBytes - offset) }
}

/** The piece in which a byte lies. */
export function pieceAt(layout: PieceLayout, offset: number): number {
  return Math.floor(offset / layout.pieceLength)
}
