import type { FileHandle } from 'node:fs/promises'
import { hashBytes } from '../core/digest.ts'
import { pieceRange, type PieceLayout } from '../core/piece-layout.ts'
import { readFully } from './fs-io.ts'
import type { JournalRecord, PartState } from './journal.ts'
import { hashAt, hashOf } from './piece-hashing.ts'
import type { ScratchPart } from './scratch.ts'

/** Copies those pieces of somebody's unfinished blob whose bytes are what its journal says. */
export async function copyProvedPieces(
  from: FileHandle,
  layout: PieceLayout,
  said: PartState,
  to: ScratchPart,
): Promise<void> {
  const records: JournalRecord[] = said.private ? [{ type: 'private' }] : []
  to.state.private = said.private
  for (const piece of said.stored.indexes()) {
    const { offset, length } = pieceRange(layout, piece)
    const bytes = Buffer.allocUnsafeSlow(length)
    const filled = await readFully(from, bytes, offset)
    const hash = hashAt(said.hashes, piece)
    if (filled < length || Buffer.compare(hashOf(bytes), hash) !== 0) continue
    await to.write(piece, [bytes])
    const fromOrigin = said.fromOrigin.has(piece)
    records.push({ type: 'stored', piece, fromOrigin, hash })
    to.state.stored.add(piece)
    to.state.hashes.set(hash, piece * hashBytes)
    if (fromOrigin) to.state.fromOrigin.add(piece)
  }
  await to.sync(records)
}

/** Where the last stored piece ends, in bytes. */
export function endOfStored(layout: PieceLayout, { stored }: PartState): number {
  let last: number | undefined
  for (const piece of stored.indexes()) last = piece
  if (last === undefined) return 0
  const { offset, length } = pieceRange(layout, last)
  return offset + length
}
