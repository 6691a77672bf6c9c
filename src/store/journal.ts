import { crc32 } from 'node:zlib'
import { Bitfield } from '../core/bitfield.ts'
import { maxBlobBytes } from '../core/descriptor.ts'
import { digestFromBytes, digestToBytes, hashBytes, type Digest } from '../core/digest.ts'
import { pieceLayout, pieceRange, type PieceLayout } from '../core/piece-layout.ts'

/**
 * What a journal tells of an unfinished blob. The last word on a piece counts.
 *
 * - `stored`: the piece is on the disk, with this sha256; `fromOrigin` when the origin gave it
 * - `dropped`: it is not any more
 * - `private`: the blob came with credentials
 * - `opened`: somebody writes again; until the next `clean`, hashes must be checked
 * - `clean`: nobody writes any more, and what was said is true
 *
 * @public
 */
export type JournalRecord =
  | {
      readonly type: 'stored'
      readonly piece: number
      readonly fromOrigin: boolean
      readonly hash: Uint8Array
    }
  | { readonly type: 'dropped'; readonly piece: number }
  | { readonly type: 'private' }
  | { readonly type: 'opened' }
  | { readonly type: 'clean' }

/** A journal as far as it could be read. */
export interface Journal {
  readonly digest: Digest
  readonly layout: PieceLayout
  readonly records: readonly JournalRecord[]
  /** Where the next record goes, in bytes from the start. */
  readonly endBytes: number
}

/**
 * What the records of a journal add up to.
 * @public
 */
export interface PartState {
  readonly stored: Bitfield
  /** Those of the stored pieces that the origin gave. */
  readonly fromOrigin: Bitfield
  /** sha256 of the stored pieces, 32 bytes each, at the place of the piece. */
  readonly hashes: Uint8Array
  /** The blob came with credentials. */
  private: boolean
  /** Whether the last one who wrote also finished. If not, the bytes may not be what the hashes say. */
  clean: boolean
}

const magic = 0x44464c4a // "DFLJ"
const version = 1
/** Length of a journal without records, in bytes. */
export const journalHeaderBytes = 64
const recordBytes = 48
const types = ['stored', 'dropped', 'private', 'opened', 'clean'] as const

/**
 * The first bytes of a journal, big-endian: magic u32, version u16, 2 zero bytes, digest, size u64, piece length u32,
 * 8 zero bytes, crc32 of all before.
 */
export function encodeJournalHeader(digest: Digest, layout: PieceLayout): Uint8Array {
  const bytes = new Uint8Array(journalHeaderBytes)
  const view = viewOf(bytes)
  view.setUint32(0, magic)
  view.setUint16(4, version)
  bytes.set(digestToBytes(digest), 8)
  view.setBigUint64(40, BigInt(layout.sizeBytes))
  view.setUint32(48, layout.pieceLength)
  view.setUint32(60, crc32(bytes.subarray(0, 60)))
  return bytes
}

/**
 * Records of 48 bytes, so that a torn one is known by its place: type u8, flags u8 (1: from the origin), 2 zero
 * bytes, piece u32, hash, sequence u32, crc32. The checksum begins with the header's, so that no record of another
 * journal passes.
 *
 * @param endBytes - where they will stand in the journal
 */
export function encodeJournalRecords(
  records: readonly JournalRecord[],
  header: Uint8Array,
  endBytes: number,
): Uint8Array {
  const bytes = new Uint8Array(records.length * recordBytes)
  const seed = viewOf(header).getUint32(60)
  let sequence = (endBytes - journalHeaderBytes) / recordBytes
  records.forEach((record, index) => {
    const slot = bytes.subarray(index * recordBytes, (index + 1) * recordBytes)
    const view = viewOf(slot)
    slot[0] = types.indexOf(record.type) + 1
    if (record.type === 'stored') {
      slot[1] = record.fromOrigin ? 1 : 0
      slot.set(record.hash, 8)
    }
    if ('piece' in record) view.setUint32(4, record.piece)
    view.setUint32(40, sequence++)
    view.setUint32(44, crc32(slot.subarray(0, 44), seed))
  })
  return bytes
}

/**
 * Reads as many records as are whole and in order; what a crash tore off or damaged ends the journal. `undefined`
 * when its header is not one of ours, or of a version that we do not know.
 */
export function decodeJournal(bytes: Uint8Array): Journal | undefined {
  if (bytes.byteLength < journalHeaderBytes) return undefined
  const view = viewOf(bytes)
  if (view.getUint32(0) !== magic || view.getUint16(4) !== version) return undefined
  const seed = view.getUint32(60)
  if (seed !== crc32(bytes.subarray(0, 60))) return undefined
  const sizeBytes = Number(view.getBigUint64(40))
  if (sizeBytes > maxBlobBytes) return undefined
  const layout = pieceLayout(sizeBytes)
  if (view.getUint32(48) !== layout.pieceLength) return undefined
  const records: JournalRecord[] = []
  let endBytes = journalHeaderBytes
  for (; endBytes + recordBytes <= bytes.byteLength; endBytes += recordBytes) {
    const slot = bytes.subarray(endBytes, endBytes + recordBytes)
    const record = decodeRecord(slot, records.length, seed, layout)
    if (!record) break
    records.push(record)
  }
  return { digest: digestFromBytes(bytes.subarray(8, 40)), layout, records, endBytes }
}

/** What a journal's records say in the end. */
export function replayJournal({ layout, records }: Pick<Journal, 'layout' | 'records'>): PartState {
  const state = emptyPartState(layout)
  state.clean = false
  for (const record of records) {
    state.clean = record.type === 'clean'
    if (record.type === 'private') state.private = true
    if (record.type === 'stored' || record.type === 'dropped') {
      state.stored.delete(record.piece)
      state.fromOrigin.delete(record.piece)
    }
    if (record.type === 'stored') {
      state.stored.add(record.piece)
      state.hashes.set(record.hash, record.piece * hashBytes)
      if (record.fromOrigin) state.fromOrigin.add(record.piece)
    }
  }
  return state
}

/** A blob of which nothing is here yet. */
export function emptyPartState({ pieceCount }: PieceLayout): PartState {
  return {
    stored: new Bitfield(pieceCount),
    fromOrigin: new Bitfield(pieceCount),
    hashes: new Uint8Array(pieceCount * hashBytes),
    private: false,
    clean: true,
  }
}

/** Length of all pieces of a set together, in bytes. */
export function bytesOf(pieces: Bitfield, layout: PieceLayout): number {
  let bytes = 0
  for (const piece of pieces.indexes()) bytes += pieceRange(layout, piece).length
  return bytes
}

function decodeRecord(
  slot: Uint8Array,
  sequence: number,
  seed: number,
  layout: PieceLayout,
): JournalRecord | undefined {
  const view = viewOf(slot)
  if (view.getUint32(40) !== sequence || view.getUint32(44) !== crc32(slot.subarray(0, 44), seed))
    return undefined
  const type = types[(slot[0] ?? 0) - 1]
  const piece = view.getUint32(4)
  if (type === 'stored' || type === 'dropped') {
    if (piece >= layout.pieceCount) return undefined
    return type === 'dropped'
      ? { type, piece }
      : { type, piece, fromOrigin: slot[1] === 1, hash: slot.slice(8, 40) }
  }
  return type && { type }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
