import type { Libp2pStream, ReceivedBytes } from './libp2p-types.ts'

/** What came, in the buffers in which it came: `subarray()` of a list would copy it. */
export function partsOf(bytes: ReceivedBytes): Iterable<Uint8Array> {
  return bytes instanceof Uint8Array ? [bytes] : bytes
}

/** Whether the peer has ended or reset a stream already: it may before we listen, and no event says so again. */
export function hasEnded(stream: Libp2pStream): boolean {
  return stream.status !== 'open' || stream.remoteWriteStatus !== 'writable'
}
