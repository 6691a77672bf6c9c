import { decodePayload, replyMessages } from './codec.ts'
import { FrameAssembler } from './frame-assembler.ts'
import type { Reply } from './messages.ts'
import { violation } from './violation.ts'

/** Bytes of the announced piece, in the memory of the chunk that they came in. */
export interface PieceBody {
  readonly type: 'body'
  readonly bytes: Uint8Array
}

/** The piece is whole. */
export interface PieceEnd {
  readonly type: 'end'
}

/** What an asker reads: `busy`, `absent`, or `piece`, some `body` and `end`. */
export type ReplyPart = Reply | PieceBody | PieceEnd

/**
 * Reads the asker's side of a data stream, one reply to each {@link ReplyDecoder.expect}. The bytes of pieces are
 * handed on as they come and not copied; at most one unfinished frame is kept back.
 */
export class ReplyDecoder {
  readonly #assembler = new FrameAssembler()
  /** Length of the piece that was asked for, until the reply to it begins. */
  #askedBytes: number | undefined
  /** Bytes of the piece that have not come yet. */
  #missingBytes = 0
  #broken = false

  /**
   * Opens a request; the one before must have been answered in full.
   * @param sizeBytes - length of the piece that is asked for
   */
  expect(sizeBytes: number): void {
    if (this.#askedBytes !== undefined || this.#missingBytes > 0) {
      throw new TypeError('a data stream carries one request at a time: wait for the reply to end')
    }
    this.#askedBytes = sizeBytes
  }

  /**
   * The parts of the reply that the chunk brings, in order.
   *
   * @param chunk - the next bytes of the stream, as many as there are
   * @throws {@link PeerError} `ERR_PEER_PROTOCOL`, and again at every later call: among others when the piece is not as long
   * as expected, and when anything comes without an open request; what came before it in the same chunk is lost
   */
  push(chunk: Uint8Array): ReplyPart[] {
    if (this.#broken) throw violation('more bytes came after a protocol error')
    this.#broken = true
    const parts = this.#decode(chunk)
    this.#broken = false
    return parts
  }

  #decode(chunk: Uint8Array): ReplyPart[] {
    const parts: ReplyPart[] = []
    let offset = 0
    while (offset < chunk.byteLength) {
      if (this.#missingBytes > 0) {
        const bytes = chunk.subarray(offset, offset + this.#missingBytes)
        offset += bytes.byteLength
        this.#missingBytes -= bytes.byteLength
        parts.push({ type: 'body', bytes })
        if (this.#missingBytes === 0) parts.push({ type: 'end' })
        continue
      }
      if (this.#askedBytes === undefined) throw violation('bytes came without an open request')
      const frame = this.#assembler.take(chunk, offset)
      if (!frame) break
      offset = frame.end
      const reply = decodePayload(replyMessages, frame.code, frame.payload)
      if (reply) parts.push(this.#accept(reply, this.#askedBytes))
    }
    return parts
  }

  #accept(reply: Reply, askedBytes: number): Reply {
    if (reply.type === 'piece') {
      if (reply.sizeBytes !== askedBytes) {
        throw violation(`a piece of ${reply.sizeBytes} bytes came where one of ${askedBytes} was asked for`)
      }
      this.#missingBytes = reply.sizeBytes
    }
    this.#askedBytes = undefined
    return reply
  }
}
