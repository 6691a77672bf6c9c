import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'

/** How something stands in a payload: what is written is what is read. */
export interface Layout<T> {
  /** @throws `RangeError` when the value breaks a limit */
  readonly write: (to: ByteWriter, value: T) => void
  /** @throws {@link PeerError} `ERR_PEER_PROTOCOL` */
  readonly read: (from: ByteReader) => T
}

/** One row of the message tables in docs/spec/wire.md. */
export interface MessageLayout<M> extends Layout<M> {
  /** First byte of the frame. */
  readonly code: number
}
