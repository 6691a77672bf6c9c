import { Uint8ArrayList } from 'uint8arraylist'
import type { Clock } from '../core/clock.ts'
import type { Digest } from '../core/digest.ts'
import { PeerError, RequestError } from '../core/errors.ts'
import { encodeFrame } from '../wire/codec.ts'
import type { Reply, Request } from '../wire/messages.ts'
import { countMovedBytes } from './gc-pacing.ts'
import type { Libp2pStream } from './libp2p-types.ts'
import type { IncomingRequest, Link } from './link.ts'
import { unreachable } from './peer-errors.ts'
import { whenWritable } from './writable.ts'

/** Where an answer goes, and who is told when it is given. */
export interface PieceAnswerInit {
  readonly link: Link
  readonly request: Request
  readonly stream: Libp2pStream
  readonly clock: Clock
  /** All of the answer was sent: the peer may ask again. */
  answered(): void
  /** The answer cannot be finished; the stream must be reset. */
  failed(error: PeerError): void
}

/** The answer to one request of a peer. */
export class PieceAnswer implements IncomingRequest {
  readonly link: Link
  readonly digest: Digest
  readonly piece: number
  readonly #init: PieceAnswerInit
  readonly #controller = new AbortController()
  #begun = false

  constructor(init: PieceAnswerInit) {
    this.#init = init
    this.link = init.link
    this.digest = init.request.digest
    this.piece = init.request.piece
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** The peer cancelled, or went away. */
  abort(error: PeerError): void {
    this.#controller.abort(error)
  }

  get unsentBytes(): number {
    const { writeBufferLength, writableNeedsDrain } = this.#init.stream
    // The stream may be empty when the connection under it is not.
    return writableNeedsDrain ? Math.max(1, writeBufferLength) : writeBufferLength
  }

  abandon(error: PeerError): void {
    if (!this.signal.aborted) this.#init.failed(error)
  }

  busy(retryAfterMs: number): void {
    this.#reply({ type: 'busy', retryAfterMs })
  }

  absent(): void {
    this.#reply({ type: 'absent' })
  }

  async serve(
    sizeBytes: number,
    chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  ): Promise<void> {
    this.signal.throwIfAborted()
    if (this.#begun) return
    this.#begun = true
    try {
      await this.#sendPiece(sizeBytes, chunks)
    } catch (error) {
      this.signal.throwIfAborted()
      this.#init.failed(
        error instanceof PeerError
          ? error
          : new PeerError('ERR_PEER_REFUSED', 'the piece could not be served', { cause: error }),
      )
      throw error
    }
  }

  async #sendPiece(
    sizeBytes: number,
    chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const { stream, clock } = this.#init
    let header: Uint8Array | undefined = encodeFrame({ type: 'piece', sizeBytes })
    let sentBytes = 0
    for await (const chunk of chunks) {
      this.signal.throwIfAborted()
      sentBytes += chunk.byteLength
      if (sentBytes > sizeBytes) break
      // The buffer is the stream's from here on, also after send() said that there is room for more.
      stream.send(header ? new Uint8ArrayList(header, chunk) : chunk)
      header = undefined
      countMovedBytes(chunk.byteLength)
      // Before the wait: when the peer has the last byte, its next request may be faster than our empty buffers' event.
      if (sentBytes === sizeBytes) this.#init.answered()
      await whenWritable(stream, clock)
    }
    if (sentBytes === sizeBytes) return
    throw new RequestError(
      'ERR_REQUEST_SIZE',
      `a piece of ${sizeBytes} bytes cannot be served with ${sentBytes} bytes`,
    )
  }

  #reply(reply: Reply): void {
    if (this.#begun || this.signal.aborted) return
    this.#begun = true
    try {
      this.#init.stream.send(encodeFrame(reply))
      this.#init.answered()
    } catch (error) {
      this.#init.failed(unreachable('the connection to the peer ended', error))
    }
  }
}
