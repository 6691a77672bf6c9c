import type { Digest } from '../core/digest.ts'
import { assertNever, PeerError } from '../core/errors.ts'
import { encodeFrame } from '../wire/codec.ts'
import { ReplyDecoder, type ReplyPart } from '../wire/reply-decoder.ts'
import { countMovedBytes } from './gc-pacing.ts'
import type { Libp2pStream, ReceivedBytes } from './libp2p-types.ts'
import type { PieceSink } from './link.ts'
import { unreachable } from './peer-errors.ts'
import { hasEnded, partsOf } from './stream-facts.ts'

/** What an asking channel tells the link that opened it. */
export interface AskingChannelOwner {
  /** The answer is complete: the channel may be asked again. Called before the sink is told. */
  idle(channel: AskingChannel): void
  /** The channel is of no use any more. Called before the sink is told. */
  ended(channel: AskingChannel): void
  /** The peer broke the protocol. */
  broken(error: PeerError): void
}

/** A data stream on which we ask for pieces, one after the other. */
export class AskingChannel {
  readonly #owner: AskingChannelOwner
  readonly #opening = new AbortController()
  readonly #decoder = new ReplyDecoder()
  #stream: Libp2pStream | undefined
  #sink: PieceSink | undefined
  #unsent: Uint8Array | undefined
  #ended = false

  /** @param open - opens the stream; what is asked meanwhile is sent then */
  constructor(open: (signal: AbortSignal) => Promise<Libp2pStream>, owner: AskingChannelOwner) {
    this.#owner = owner
    open(this.#opening.signal).then(
      (stream) => this.#attach(stream),
      (error: unknown) => this.end(unreachable('no data stream could be opened', error)),
    )
  }

  /** Asks for a piece. The channel must be idle, or new. */
  ask(digest: Digest, piece: number, sizeBytes: number, sink: PieceSink): void {
    this.#sink = sink
    this.#decoder.expect(sizeBytes)
    this.#unsent = encodeFrame({ type: 'request', digest, piece })
    // Not at once: whoever asks must have what cancels the request before its sink can hear of a failure.
    queueMicrotask(() => this.#send())
  }

  /** Cancels the request that the sink belongs to, if it still runs. */
  cancel(sink: PieceSink): void {
    if (this.#sink !== sink) return
    this.#sink = undefined
    this.end(cancelled())
  }

  /** Resets the stream; the request that runs on it fails. */
  end(error: PeerError): void {
    if (this.#ended) return
    this.#ended = true
    const sink = this.#sink
    this.#sink = undefined
    this.#opening.abort(error)
    const stream = this.#stream
    stream?.removeEventListener('message', this.#onMessage)
    stream?.removeEventListener('remoteCloseWrite', this.#onEnd)
    stream?.removeEventListener('close', this.#onEnd)
    stream?.abort(error)
    this.#owner.ended(this)
    sink?.failed(error)
  }

  #attach(stream: Libp2pStream): void {
    this.#stream = stream
    if (this.#ended) {
      stream.abort(cancelled())
      return
    }
    stream.addEventListener('message', this.#onMessage)
    stream.addEventListener('remoteCloseWrite', this.#onEnd)
    stream.addEventListener('close', this.#onEnd)
    if (hasEnded(stream)) this.#onEnd()
    else this.#send()
  }

  #send(): void {
    const frame = this.#unsent
    if (this.#ended || !this.#stream || !frame) return
    this.#unsent = undefined
    try {
      this.#stream.send(frame)
    } catch (error) {
      this.end(unreachable('the connection to the peer ended', error))
    }
  }

  readonly #onMessage = ({ data }: { data: ReceivedBytes }): void => {
    countMovedBytes(data.byteLength)
    try {
      for (const part of partsOf(data)) {
        for (const reply of this.#decoder.push(part)) {
          if (this.#ended) return
          this.#tell(reply)
        }
      }
    } catch (error) {
      if (!(error instanceof PeerError)) throw error
      this.end(error)
      this.#owner.broken(error)
    }
  }

  readonly #onEnd = (): void =>
    this.end(new PeerError('ERR_PEER_REFUSED', 'the peer ended the stream before its answer'))

  #tell(part: ReplyPart): void {
    const sink = this.#sink
    if (!sink) return
    switch (part.type) {
      case 'piece':
        return sink.header(part.sizeBytes)
      case 'body':
        return sink.chunk(part.bytes)
      case 'end':
        this.#finish()
        return sink.end()
      case 'busy':
        this.#finish()
        return sink.busy(part.retryAfterMs)
      case 'absent':
        this.#finish()
        return sink.absent()
      default:
        return assertNever(part)
    }
  }

  #finish(): void {
    this.#sink = undefined
    this.#owner.idle(this)
  }
}

function cancelled(): PeerError {
  return unreachable('the request was cancelled')
}
