import { PeerError } from '../core/errors.ts'
import { controlMessages, encodeFrame } from '../wire/codec.ts'
import { FrameDecoder } from '../wire/frame-decoder.ts'
import type { ControlMessage } from '../wire/messages.ts'
import { limits } from '../wire/protocol.ts'
import type { Libp2pStream, ReceivedBytes } from './libp2p-types.ts'
import { unreachable } from './peer-errors.ts'
import { partsOf } from './stream-facts.ts'

/** Who is told what comes over a control channel. */
export interface ControlReceiver {
  message(message: ControlMessage): void
  /** Once, last. Without an error, one of the two nodes just ended the link: the peer, or the way to it, where `byPeer` says so. */
  closed(error: PeerError | undefined, byPeer: boolean): void
}

/** A peer with more than this unread goes when all of them together leave too much. */
const largeBacklogBytes = 256 * 1024

/** The frames of a control stream, both ways. */
export class ControlChannel {
  readonly #stream: Libp2pStream
  readonly #isCrowded: () => boolean
  readonly #decoder = new FrameDecoder(controlMessages)
  #receiver: ControlReceiver
  #queued: Uint8Array[] = []
  #queuedBytes = 0
  #flushing = false
  #closed = false

  /** @param isCrowded - whether what waits for all peers together is too much */
  constructor(stream: Libp2pStream, receiver: ControlReceiver, isCrowded: () => boolean = () => false) {
    this.#isCrowded = isCrowded
    this.#stream = stream
    this.#receiver = receiver
    stream.addEventListener('message', this.#onMessage)
    stream.addEventListener('drain', this.#flushSoon)
    stream.addEventListener('remoteCloseWrite', this.#onEnd)
    stream.addEventListener('close', this.#onEnd)
  }

  /** From now on another is told; messages that came in one buffer with the last one included. */
  handOver(receiver: ControlReceiver): void {
    this.#receiver = receiver
  }

  /** Bytes that wait to be sent. */
  get backlogBytes(): number {
    return this.#closed ? 0 : this.#queuedBytes + this.#stream.writeBufferLength
  }

  /** Queues a message. Those of one turn leave together: each send costs a noise message and a system call. */
  send(message: ControlMessage): void {
    if (this.#closed) return
    const frame = encodeFrame(message)
    this.#queued.push(frame)
    this.#queuedBytes += frame.byteLength
    const { backlogBytes } = this
    if (backlogBytes > limits.controlBacklogBytes || (backlogBytes > largeBacklogBytes && this.#isCrowded())) {
      this.close(new PeerError('ERR_PEER_STALL', 'the peer does not read its control stream'))
      return
    }
    this.#flushSoon()
  }

  /** Resets the stream. */
  close(error: PeerError | undefined, byPeer = false): void {
    if (this.#closed) return
    this.#closed = true
    this.#queued = []
    this.#stream.removeEventListener('message', this.#onMessage)
    this.#stream.removeEventListener('drain', this.#flushSoon)
    this.#stream.removeEventListener('remoteCloseWrite', this.#onEnd)
    this.#stream.removeEventListener('close', this.#onEnd)
    this.#stream.abort(error ?? unreachable('the link was closed'))
    this.#receiver.closed(error, byPeer)
  }

  readonly #onMessage = ({ data }: { data: ReceivedBytes }): void => {
    try {
      for (const part of partsOf(data)) {
        for (const message of this.#decoder.push(part)) {
          if (this.#closed) return
          this.#receiver.message(message)
        }
      }
    } catch (error) {
      if (!(error instanceof PeerError)) throw error
      this.close(error)
    }
  }

  /** Where we ended the whole connection, why is told. */
  readonly #onEnd = (event: Event): void => {
    const error = 'error' in event && event.error instanceof PeerError ? event.error : undefined
    this.close(error, error === undefined)
  }

  readonly #flushSoon = (): void => {
    if (this.#flushing) return
    this.#flushing = true
    queueMicrotask(() => {
      this.#flushing = false
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#closed || this.#queued.length === 0 || this.#stream.writableNeedsDrain) return
    const frames = Buffer.concat(this.#queued, this.#queuedBytes)
    this.#queued = []
    this.#queuedBytes = 0
    try {
      this.#stream.send(frames)
    } catch (error) {
      this.close(unreachable('the connection to the peer ended', error))
    }
  }
}
