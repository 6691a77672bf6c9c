import type { AbortOptions } from '../core/options.ts'
import { rangeWithin, type ByteRange } from '../core/byte-range.ts'
import { TransferError } from '../core/errors.ts'
import { pieceAt } from '../core/piece-layout.ts'
import type { BlobSession } from './blob-session.ts'
import { waitFor } from './transfer-task.ts'

/** Bytes handed to a reader at once. */
const sliceBytes = 256 * 1024

/**
 * A blob's bytes in order, each as soon as it is proven. The download runs on into the store while the reader pauses: memory
 * holds one slice.
 */
export async function* readWhileLoading(
  session: BlobSession,
  wanted: ByteRange | undefined,
  options: AbortOptions,
): AsyncGenerator<Uint8Array> {
  const { layout } = session
  const { offset, length } = rangeWithin(layout.sizeBytes, wanted)
  const end = offset + length
  let position = offset
  let broken: TransferError | undefined
  const stopWatching = session.audience.observe({
    dropped(pieces) {
      session.slices.clear()
      const delivered = position > offset ? pieceAt(layout, position - 1) : -1
      if (!pieces.some((piece) => piece >= pieceAt(layout, offset) && piece <= delivered)) return
      broken = new TransferError(
        'ERR_SWARM_NO_SOURCE',
        `bytes of ${session.digest} that were already read turned out to be wrong: discard them and read again`,
        { cause: session.originError },
      )
    },
  })
  const reader = session.audience.addReader()
  try {
    while (position < end) {
      const piece = pieceAt(layout, position)
      reader.moveTo(piece)
      await waitFor(session, () => broken !== undefined || session.isProven(piece), { signal: options.signal })
      if (broken) throw broken
      const pieceEnd = Math.min(end, (piece + 1) * layout.pieceLength)
      const slice = { offset: position, length: Math.min(sliceBytes, pieceEnd - position) }
      // Before it is read: what is dropped meanwhile is as bad as delivered.
      position += slice.length
      const bytes = await (session.audience.readerCount > 1 ? session.slices : session).read(slice)
      if (broken) throw broken
      yield bytes
    }
  } finally {
    reader.close()
    stopWatching()
  }
}
