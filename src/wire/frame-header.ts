import { limits } from './protocol.ts'
import { violation } from './violation.ts'

/** A type, and the length of the payload in three bytes, big-endian. */
export const frameHeaderBytes = 4
/** Longest frame, in bytes. */
export const maxFrameBytes: number = frameHeaderBytes + limits.frameBytes

/**
 * The payload length that a frame announces, in bytes.
 * @param bytes - from the frame's first byte; at least the header is there
 * @throws {@link PeerError} `ERR_PEER_PROTOCOL` when it is over the limit
 */
export function readPayloadLength(bytes: Uint8Array): number {
  const [, high = 0, middle = 0, low = 0] = bytes
  const length = (high << 16) | (middle << 8) | low
  if (length > limits.frameBytes) {
    throw violation(`a frame announces ${length} bytes, more than ${limits.frameBytes}`)
  }
  return length
}

/** Fills in the header of a frame of which everything else is there. */
export function writeFrameHeader(frame: Uint8Array, code: number): void {
  const length = frame.byteLength - frameHeaderBytes
  frame.set([code, length >> 16, (length >> 8) & 0xff, length & 0xff])
}
