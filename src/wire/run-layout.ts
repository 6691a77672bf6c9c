import { maxPieceCount } from '../core/piece-layout.ts'
import type { Layout } from './message-layout.ts'
import type { PieceRun } from './messages.ts'
import { limits } from './protocol.ts'

const lastPiece = maxPieceCount - 1

/** A list of runs of pieces, none of which ends past the last piece that a blob can have. */
export const runsLayout: Layout<readonly PieceRun[]> = {
  write(to, runs) {
    to.list(runs, limits.runs, ({ first, count }) => {
      to.varint(first, lastPiece)
      to.varint(count, maxPieceCount - first, 1)
    })
  },
  read(from) {
    return from.list(limits.runs, () => {
      const first = from.varint(lastPiece)
      return { first, count: from.varint(maxPieceCount - first, 1) }
    })
  },
}
