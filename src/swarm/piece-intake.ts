import { createHasher } from '../core/digest.ts'
import type { PeerError } from '../core/errors.ts'
import type { RequestOutcome } from '../engine/session-event.ts'
import { PieceChunks } from './piece-chunks.ts'
import type { LaneSink } from './request-lane.ts'

/** What becomes of a piece that a peer sends. */
export interface IntakeHandlers {
  sent(): void
  moved(bytes: number): void
  /** All bytes are here and match. `release` is to be called when they are out of memory. */
  verified(chunks: readonly Uint8Array[], release: () => void): void
  /** All bytes are here and hash to something else. */
  corrupt(hash: Uint8Array): void
  ended(outcome: RequestOutcome): void
}

/**
 * Takes a piece from a peer, hashing as it arrives: when the last byte is here, so is the verdict. The bytes stay in
 * the chunks in which they came, if these are not tiny, to be written together.
 */
export function pieceIntake(expectedHash: Uint8Array, handlers: IntakeHandlers): LaneSink {
  const hasher = createHasher()
  const chunks = new PieceChunks()
  return {
    sent: () => handlers.sent(),
    header() {},
    chunk(bytes) {
      hasher.update(bytes)
      chunks.add(bytes)
      handlers.moved(bytes.byteLength)
    },
    end(release) {
      const hash = hasher.raw()
      if (Buffer.compare(hash, expectedHash) === 0) return handlers.verified(chunks.take(), release)
      release()
      handlers.corrupt(hash)
    },
    busy: (retryAfterMs) => handlers.ended({ kind: 'busy', retryAfterMs }),
    absent: () => handlers.ended({ kind: 'absent' }),
    failed: (error: PeerError) =>
      handlers.ended({ kind: error.code === 'ERR_PEER_PROTOCOL' ? 'corrupt' : 'failed' }),
  }
}
