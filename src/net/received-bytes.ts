import type { ReceivedBytes } from './libp2p-types.ts'

/** What came, in the buffers in which it came: `subarray()` of a list would copy it. */
export function partsOf(bytes: ReceivedBytes): Iterable<Uint8Array> {
  return bytes instanceof Uint8Array ? [bytes] : bytes
}
