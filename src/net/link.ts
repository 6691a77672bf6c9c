import type { Digest } from '../core/digest.ts'
import type { PeerError } from '../core/errors.ts'
import type { ControlMessage, Hello } from '../wire/messages.ts'

/**
 * Takes the answer to a request, as it arrives. Exactly one of `end`, `busy`, `absent` and `failed` is called, last.
 * Nothing is called after the request was cancelled.
 */
export interface PieceSink {
  /** The piece follows; its length in bytes is the one that was asked for. */
  header(sizeBytes: number): void
  /** The next bytes of the piece, in order. They are the sink's to keep. */
  chunk(bytes: Uint8Array): void
  /** The piece is whole. */
  end(): void
  /** The peer asks to come back later. */
  busy(retryAfterMs: number): void
  /** The peer does not give the piece; why is not to be known. */
  absent(): void
  /** The stream or the link ended first, or the peer broke the protocol. */
  failed(error: PeerError): void
}

/** What two nodes have between them: a control stream, and a few data streams for all blobs. */
export interface Link {
  /** As text. */
  readonly peerId: string
  /** In binary form, as hashes and `members` take it. */
  readonly peerIdBytes: Uint8Array
  /** How the peer introduced itself. */
  readonly hello: Hello
  /** Whether the peer opened it. */
  readonly inbound: boolean
  /** Multiaddr of the other end of the connection; of an inbound one, nobody listens there. */
  readonly remoteAddress: string
  readonly closed: boolean
  /** Queues a message. Does nothing on a closed link; closes one whose peer leaves 4 MiB unread (`ERR_PEER_STALL`). */
  send(message: ControlMessage): void
  /**
   * Asks for a piece. Callers keep to {@link Link.freeRequests}.
   *
   * @param sizeBytes - length of the piece; an answer of any other length is a protocol error
   * @returns cancels the request: its stream is reset, and its sink hears nothing more
   */
  request(digest: Digest, piece: number, sizeBytes: number, sink: PieceSink): () => void
  /** How many more requests may be made now; one more as soon as a sink has been told how a request ended. */
  readonly freeRequests: number
  /** Ends the link; the peer sees a reset. */
  close(error?: PeerError): void
}

/** A peer asks for a piece. The first answer counts, any other does nothing. */
export interface IncomingRequest {
  readonly link: Link
  readonly digest: Digest
  readonly piece: number
  /** Aborted when the peer cancelled the request, or the link ended. */
  readonly signal: AbortSignal
  /**
   * Sends the piece. Memory that was handed over must not be written to again. Resolves when all of it is with the
   * operating system or in the connection's own bounded buffer; the next chunk is asked for when the one before is.
   *
   * @param sizeBytes - length of the piece
   * @param chunks - as many bytes, best in chunks of 256 KiB or more; if it fails, the peer sees a reset
   * @throws {@link PeerError} `ERR_PEER_STALL` when the peer does not read for 30 s; the link is closed
   * @throws `signal.reason` when the peer went away
   */
  serve(sizeBytes: number, chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void>
  /** @param retryAfterMs - at most 60,000 */
  busy(retryAfterMs: number): void
  absent(): void
  /** Bytes that were handed over to be sent and wait in this process: the peer, or the way to it, does not take them. */
  readonly unsentBytes: number
  /** Gives the answer up; the peer sees a reset. */
  abandon(error: PeerError): void
}

/** What is told of links, at once and in the order in which it happens. */
export interface LinkHandlers {
  opened(link: Link): void
  message(link: Link, message: ControlMessage): void
  request(request: IncomingRequest): void
  /** A peer opened more streams than it may, and one was reset. */
  streamReset?(link: Link): void
  /**
   * @param error - why, unless one of the two nodes just left
   * @param byPeer - whether that was the peer, or the way to it
   */
  closed(link: Link, error: PeerError | undefined, byPeer: boolean): void
}
