import { maxPieceBytes, maxPieceCount } from '../core/piece-layout.ts'
import type { MessageLayout } from './message-layout.ts'
import type { Absent, Busy, PieceHeader, Request } from './messages.ts'
import { limits } from './protocol.ts'

export const requestLayout: MessageLayout<Request> = {
  code: 0x41,
  write(to, { digest, piece }) {
    to.digest(digest)
    to.varint(piece, maxPieceCount - 1)
  },
  read: (from) => ({ type: 'request', digest: from.digest(), piece: from.varint(maxPieceCount - 1) }),
}

export const pieceLayout: MessageLayout<PieceHeader> = {
  code: 0x42,
  write: (to, { sizeBytes }) => to.varint(sizeBytes, maxPieceBytes, 1),
  read: (from) => ({ type: 'piece', sizeBytes: from.varint(maxPieceBytes, 1) }),
}

export const busyLayout: MessageLayout<Busy> = {
  code: 0x43,
  write: (to, { retryAfterMs }) => to.varint(retryAfterMs, limits.busyMs),
  read: (from) => ({ type: 'busy', retryAfterMs: from.varint(limits.busyMs) }),
}

export const absentLayout: MessageLayout<Absent> = {
  code: 0x44,
  write: () => {},
  read: () => ({ type: 'absent' }),
}
