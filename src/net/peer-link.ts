import type { Clock } from '../core/clock.ts'
import type { Digest } from '../core/digest.ts'
import type { PeerError } from '../core/errors.ts'
import type { ControlMessage, Hello } from '../wire/messages.ts'
import { limits, pieceProtocol } from '../wire/protocol.ts'
import { violation } from '../wire/violation.ts'
import { AnsweringChannel } from './answering-channel.ts'
import { AskingChannel } from './asking-channel.ts'
import type { ControlChannel } from './control-channel.ts'
import type { Libp2pConnection, Libp2pStream } from './libp2p-types.ts'
import type { Link, LinkHandlers, PieceSink } from './link.ts'
import { overLimit, unreachable } from './peer-errors.ts'
import { hasEnded } from './stream-facts.ts'

/** Data streams that a peer may open in a second. A cancelled request costs one: there is room for a busy endgame. */
const streamsPerSecond = 100

/** What a link is made of, once both ends have said hello. */
export interface PeerLinkInit {
  readonly connection: Libp2pConnection
  readonly control: ControlChannel
  readonly hello: Hello
  readonly inbound: boolean
  readonly clock: Clock
  readonly handlers: Omit<LinkHandlers, 'opened'>
}

/** A link over libp2p streams. */
export class PeerLink implements Link {
  readonly peerId: string
  readonly peerIdBytes: Uint8Array
  readonly hello: Hello
  readonly inbound: boolean
  readonly remoteAddress: string
  readonly connection: Libp2pConnection
  /** By the clock's monotonic time. */
  readonly openedMs: number
  readonly #init: PeerLinkInit
  readonly #asking = new Set<AskingChannel>()
  readonly #idle: AskingChannel[] = []
  readonly #answering = new Set<AnsweringChannel>()
  #windowEndMs = 0
  #streamsInWindow = 0
  #closed = false

  constructor(init: PeerLinkInit) {
    const { connection, control, clock, handlers } = init
    this.#init = init
    this.peerId = connection.remotePeer.toString()
    this.peerIdBytes = connection.remotePeer.toMultihash().bytes
    this.connection = connection
    this.hello = init.hello
    this.inbound = init.inbound
    this.remoteAddress = connection.remoteAddr.toString()
    this.openedMs = clock.monotonicMs()
    control.handOver({
      message: (message) => {
        if (message.type === 'hello') throw violation('it said hello twice')
        handlers.message(this, message)
      },
      closed: (error, byPeer) => this.#onControlClosed(error, byPeer),
    })
  }

  get closed(): boolean {
    return this.#closed
  }

  get freeRequests(): number {
    return this.#closed ? 0 : limits.dataStreams - this.#asking.size + this.#idle.length
  }

  /** Control bytes that wait for the peer. */
  get backlogBytes(): number {
    return this.#init.control.backlogBytes
  }

  send(message: ControlMessage): void {
    this.#init.control.send(message)
  }

  request(digest: Digest, piece: number, sizeBytes: number, sink: PieceSink): () => void {
    if (this.freeRequests === 0) return this.#refuse(sink)
    const channel = this.#idle.pop() ?? this.#openChannel()
    channel.ask(digest, piece, sizeBytes, sink)
    return () => channel.cancel(sink)
  }

  close(error?: PeerError): void {
    this.#init.control.close(error)
  }

  /** A data stream that the peer opened. */
  accept(stream: Libp2pStream): void {
    if (this.#opensTooFast()) {
      const error = overLimit(`the peer opened more than ${streamsPerSecond} streams in a second`)
      this.close(error)
      // A stream without a link still costs us its negotiation; only the end of the connection stops them.
      this.connection.abort(error)
    }
    const excess = this.#answering.size >= limits.dataStreams
    if (excess) this.#init.handlers.streamReset?.(this)
    if (this.#closed || excess || hasEnded(stream)) {
      stream.abort(overLimit(`a peer may open ${limits.dataStreams} data streams on an open link`))
      return
    }
    const { clock, handlers } = this.#init
    const channel = new AnsweringChannel(stream, this, clock, {
      request: (request) => handlers.request(request),
      ended: (ended) => this.#answering.delete(ended),
      broken: (error) => this.close(error),
    })
    this.#answering.add(channel)
  }

  #openChannel(): AskingChannel {
    const open = (signal: AbortSignal): Promise<Libp2pStream> =>
      this.connection.newStream(pieceProtocol, { signal })
    const channel = new AskingChannel(open, {
      idle: (idle) => this.#idle.push(idle),
      ended: (ended) => {
        this.#asking.delete(ended)
        const index = this.#idle.indexOf(ended)
        if (index >= 0) this.#idle.splice(index, 1)
      },
      broken: (error) => this.close(error),
    })
    this.#asking.add(channel)
    return channel
  }

  #refuse(sink: PieceSink): () => void {
    const error = this.#closed
      ? unreachable('the link was closed')
      : overLimit(`a link runs ${limits.dataStreams} requests at once: mind freeRequests`)
    let cancelled = false
    queueMicrotask(() => {
      if (!cancelled) sink.failed(error)
    })
    return () => {
      cancelled = true
    }
  }

  #opensTooFast(): boolean {
    const now = this.#init.clock.monotonicMs()
    if (now >= this.#windowEndMs) {
      this.#windowEndMs = now + 1000
      this.#streamsInWindow = 0
    }
    return ++this.#streamsInWindow > streamsPerSecond
  }

  #onControlClosed(error: PeerError | undefined, byPeer: boolean): void {
    this.#closed = true
    const ended = unreachable('the link ended', error)
    for (const channel of [...this.#asking, ...this.#answering]) channel.end(ended)
    this.#init.handlers.closed(this, error, byPeer)
  }
}
