import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'

/** One row of the message tables in docs/spec/wire.md: what is written is what is read. */
export interface MessageLayout<M> {
  /** First byte of the frame. */
  readonly code: number
  /** @throws `RangeError` when the message breaks a limit */
  readonly write: (to: ByteWriter, message: M) => void
  /** @throws {@link PeerError} `ERR_PEER_PROTOCOL` */
  readonly read: (from: ByteReader) => M
}
