import type { Clock } from '../core/clock.ts'
import { PeerError } from '../core/errors.ts'
import { requestMessages } from '../wire/codec.ts'
import { FrameDecoder } from '../wire/frame-decoder.ts'
import type { Request } from '../wire/messages.ts'
import { violation } from '../wire/violation.ts'
import type { Libp2pStream, ReceivedBytes } from './libp2p-types.ts'
import type { IncomingRequest, Link } from './link.ts'
import { unreachable } from './peer-errors.ts'
import { PieceAnswer } from './piece-answer.ts'
import { partsOf } from './stream-facts.ts'

/** What an answering channel tells the link that it belongs to. */
export interface AnsweringChannelOwner {
  request(request: IncomingRequest): void
  /** The stream ended. */
  ended(channel: AnsweringChannel): void
  /** The peer broke the protocol, or does not read: the link is of no use any more. */
  broken(error: PeerError): void
}

/** A data stream on which the peer asks for pieces, one after the other. */
export class AnsweringChannel {
  readonly #stream: Libp2pStream
  readonly #link: Link
  readonly #clock: Clock
  readonly #owner: AnsweringChannelOwner
  readonly #decoder = new FrameDecoder(requestMessages)
  #answer: PieceAnswer | undefined
  #ended = false

  constructor(stream: Libp2pStream, link: Link, clock: Clock, owner: AnsweringChannelOwner) {
    this.#stream = stream
    this.#link = link
    this.#clock = clock
    this.#owner = owner
    stream.addEventListener('message', this.#onMessage)
    stream.addEventListener('remoteCloseWrite', this.#onEnd)
    stream.addEventListener('close', this.#onEnd)
  }

  /** Resets the stream. */
  end(error: PeerError): void {
    if (this.#ended) return
    this.#ended = true
    this.#stream.removeEventListener('message', this.#onMessage)
    this.#stream.removeEventListener('remoteCloseWrite', this.#onEnd)
    this.#stream.removeEventListener('close', this.#onEnd)
    this.#stream.abort(error)
    this.#owner.ended(this)
    this.#answer?.abort(error)
  }

  readonly #onMessage = ({ data }: { data: ReceivedBytes }): void => {
    try {
      for (const part of partsOf(data)) {
        for (const message of this.#decoder.push(part)) {
          if (this.#ended) return
          this.#take(message)
        }
      }
    } catch (error) {
      if (!(error instanceof PeerError)) throw error
      this.end(error)
      this.#owner.broken(error)
    }
  }

  readonly #onEnd = (): void =>
    this.end(unreachable('the peer cancelled the request, or ended the link'))

  #take(request: Request): void {
    if (this.#answer) throw violation('it asked again before it was answered')
    const answer = new PieceAnswer({
      link: this.#link,
      request,
      stream: this.#stream,
      clock: this.#clock,
      answered: () => {
        this.#answer = undefined
      },
      failed: (error) => {
        this.end(error)
        if (error.code === 'ERR_PEER_STALL') this.#owner.broken(error)
      },
    })
    this.#answer = answer
    this.#owner.request(answer)
  }
}
