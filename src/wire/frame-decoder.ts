import { decodePayload, type MessageSet } from './codec.ts'
import { FrameAssembler } from './frame-assembler.ts'
import type { Message } from './messages.ts'
import { violation } from './violation.ts'

/**
 * Reads a stream that carries nothing but frames: `new FrameDecoder(controlMessages)` for a control stream,
 * `new FrameDecoder(requestMessages)` for the holder's side of a data stream. It keeps back one unfinished frame at most.
 */
export class FrameDecoder<M extends Message> {
  readonly #messages: MessageSet<M>
  readonly #assembler = new FrameAssembler()
  #broken = false

  /** @param messages - what the other end may send; anything else is a protocol error */
  constructor(messages: MessageSet<M>) {
    this.#messages = messages
  }

  /**
   * The messages that the chunk completes, in order. They share no memory with it.
   *
   * @param chunk - the next bytes of the stream, as many as there are
   * @throws {@link PeerError} `ERR_PEER_PROTOCOL`, and again at every later call; messages before the bad one in the same
   * chunk are lost, for the link ends anyway
   */
  push(chunk: Uint8Array): M[] {
    if (this.#broken) throw violation('more bytes came after a protocol error')
    this.#broken = true
    const messages = this.#decode(chunk)
    this.#broken = false
    return messages
  }

  #decode(chunk: Uint8Array): M[] {
    const messages: M[] = []
    let offset = 0
    while (offset < chunk.byteLength) {
      const frame = this.#assembler.take(chunk, offset)
      if (!frame) break
      offset = frame.end
      const message = decodePayload(this.#messages, frame.code, frame.payload)
      if (message) messages.push(message)
    }
    return messages
  }
}
