import { untilAborted } from '../core/abortable.ts'
import { OriginError } from '../core/errors.ts'
import { pieceLayout, pieceRange, type PieceLayout } from '../core/piece-layout.ts'
import { BlobHasher, type BlobHashes } from './piece-hashing.ts'
import type { Scratch, ScratchFile } from './scratch.ts'
import type { BlobSource } from './storage-backend.ts'

const readBytes = 1024 * 1024

/** Bytes that have come in, and what they hash to: nobody has judged them yet. */
export interface ReceivedBlob {
  readonly source: BlobSource
  readonly hashes: BlobHashes
  /** Deletes what was not given away. */
  remove(): Promise<void>
}

/**
 * Takes in the bytes of a whole blob, hashing them as they come. Small ones stay in memory, others go to a temporary
 * file.
 *
 * @throws {@link OriginError} `ERR_ORIGIN_SIZE` when more or fewer than `sizeBytes` come
 */
export async function receiveBlob(
  scratch: Scratch,
  sizeBytes: number,
  bytes: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<ReceivedBlob> {
  const layout = pieceLayout(sizeBytes)
  const chunks = untilAborted(bytes, signal)
  return layout.pieceCount <= 1
    ? receiveInMemory(layout, chunks)
    : receiveInFile(layout, chunks, scratch)
}

/** Takes in a file that the scratch holds already. */
export async function receiveFile(
  file: ScratchFile,
  sizeBytes: number,
  signal: AbortSignal | undefined,
): Promise<ReceivedBlob> {
  const hasher = new BlobHasher(pieceLayout(sizeBytes))
  try {
    for await (const chunk of readAll(file, sizeBytes)) {
      signal?.throwIfAborted()
      hasher.update(chunk)
    }
    await file.sync()
  } catch (error) {
    await file.remove()
    throw error
  }
  return { source: sourceOf(file, sizeBytes), hashes: hasher.finish(), remove: () => file.remove() }
}

async function receiveInMemory(
  layout: PieceLayout,
  chunks: AsyncIterable<Uint8Array>,
): Promise<ReceivedBlob> {
  const { sizeBytes } = layout
  const received: Uint8Array[] = []
  let count = 0
  for await (const chunk of chunks) {
    count += chunk.byteLength
    if (count > sizeBytes) throw wrongSize(sizeBytes, count)
    received.push(chunk)
  }
  if (count < sizeBytes) throw wrongSize(sizeBytes, count)
  const bytes = Buffer.concat(received)
  const hasher = new BlobHasher(layout)
  hasher.update(bytes)
  const stream = async function* (): AsyncGenerator<Uint8Array> {
    yield bytes
  }
  return { source: { sizeBytes, stream }, hashes: hasher.finish(), remove: async () => {} }
}

async function receiveInFile(
  layout: PieceLayout,
  chunks: AsyncIterable<Uint8Array>,
  scratch: Scratch,
): Promise<ReceivedBlob> {
  const file = await scratch.temporary(layout)
  const hasher = new BlobHasher(layout)
  // One piece is written while the next one comes in.
  let writing: Promise<void> = Promise.resolve()
  try {
    for await (const { piece, parts } of pieces(layout, chunks)) {
      for (const part of parts) hasher.update(part)
      await writing
      writing = file.write(piece, parts)
      writing.catch(() => {})
    }
    await writing
    await file.sync()
  } catch (error) {
    await writing.catch(() => {})
    await file.remove()
    throw error
  }
  return {
    source: sourceOf(file, layout.sizeBytes),
    hashes: hasher.finish(),
    remove: () => file.remove(),
  }
}

/** Cuts chunks of any length at the borders of pieces. */
async function* pieces(
  layout: PieceLayout,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<{ piece: number; parts: readonly Uint8Array[] }> {
  let piece = 0
  let parts: Uint8Array[] = []
  let missing = pieceRange(layout, 0).length
  let count = 0
  for await (const chunk of chunks) {
    count += chunk.byteLength
    if (count > layout.sizeBytes) throw wrongSize(layout.sizeBytes, count)
    for (let rest = chunk; rest.byteLength > 0;) {
      const own = rest.subarray(0, missing)
      parts.push(own)
      missing -= own.byteLength
      rest = rest.subarray(own.byteLength)
      if (missing > 0) continue
      yield { piece, parts }
      parts = []
      missing = ++piece < layout.pieceCount ? pieceRange(layout, piece).length : 0
    }
  }
  if (count < layout.sizeBytes) throw wrongSize(layout.sizeBytes, count)
}

/** A scratch file as what a backend is given. */
export function sourceOf(file: ScratchFile, sizeBytes: number): BlobSource {
  return { sizeBytes, path: file.path, stream: () => readAll(file, sizeBytes) }
}

/** The bytes of a scratch file in order; each chunk is the caller's. */
async function* readAll(file: ScratchFile, sizeBytes: number): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < sizeBytes; offset += readBytes) {
    const bytes = Buffer.allocUnsafeSlow(Math.min(readBytes, sizeBytes - offset))
    await file.readInto(bytes, offset)
    yield bytes
  }
}

function wrongSize(expected: number, actual: number): OriginError {
  const count = actual > expected ? `more than ${expected}` : `only ${actual}`
  return new OriginError(
    'ERR_ORIGIN_SIZE',
    `${count} bytes came for a blob of ${expected}: its descriptor is wrong, or they are`,
  )
}
