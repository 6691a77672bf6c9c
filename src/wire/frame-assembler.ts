import { frameHeaderBytes, readPayloadLength } from './frame-header.ts'

/** A frame in the memory that it came in: decode it before the chunk is used for anything else. */
export interface Frame {
  readonly code: number
  readonly payload: Uint8Array
  /** Where the frame ends in the chunk. */
  readonly end: number
}

const nothing = new Uint8Array(0)
const initialBytes = 64

/**
 * Finds frames in chunks of any length. A frame that lies whole in a chunk is not copied; of another, what has come
 * is kept in a buffer that grows with it, never with what was announced.
 */
export class FrameAssembler {
  #held: Uint8Array = nothing
  #heldBytes = 0

  /**
   * The frame that begins at `start`, or began in an earlier chunk; `undefined` when the chunk ends first and is used up.
   * @throws {@link PeerError} `ERR_PEER_PROTOCOL` as soon as a header announces too long a payload
   */
  take(chunk: Uint8Array, start: number): Frame | undefined {
    if (this.#heldBytes > 0) return this.#resume(chunk, start)
    const rest = chunk.subarray(start)
    if (rest.byteLength >= frameHeaderBytes) {
      const frameBytes = frameHeaderBytes + readPayloadLength(rest)
      if (rest.byteLength >= frameBytes) return frameOf(rest.subarray(0, frameBytes), start + frameBytes)
    }
    this.#hold(rest)
    return undefined
  }

  #resume(chunk: Uint8Array, start: number): Frame | undefined {
    let end = start + this.#holdUpTo(frameHeaderBytes, chunk.subarray(start))
    if (this.#heldBytes < frameHeaderBytes) return undefined
    const frameBytes = frameHeaderBytes + readPayloadLength(this.#held)
    end += this.#holdUpTo(frameBytes, chunk.subarray(end))
    if (this.#heldBytes < frameBytes) return undefined
    const frame = frameOf(this.#held.subarray(0, frameBytes), end)
    this.#held = nothing
    this.#heldBytes = 0
    return frame
  }

  /** Holds as many of the bytes as are missing to `totalBytes`; returns how many. */
  #holdUpTo(totalBytes: number, bytes: Uint8Array): number {
    const part = bytes.subarray(0, Math.max(0, totalBytes - this.#heldBytes))
    this.#hold(part)
    return part.byteLength
  }

  #hold(bytes: Uint8Array): void {
    const neededBytes = this.#heldBytes + bytes.byteLength
    if (neededBytes > this.#held.byteLength) {
      // Doubling: a frame that trickles in is copied twice at most on average, however small its chunks.
      const grown = new Uint8Array(Math.max(initialBytes, neededBytes, 2 * this.#held.byteLength))
      grown.set(this.#held.subarray(0, this.#heldBytes))
      this.#held = grown
    }
    this.#held.set(bytes, this.#heldBytes)
    this.#heldBytes = neededBytes
  }
}

function frameOf(bytes: Uint8Array, end: number): Frame {
  const [code = 0] = bytes
  return { code, payload: bytes.subarray(frameHeaderBytes), end }
}
