import type { Libp2pConnection, Libp2pMultiaddr, Libp2pPeerId, Libp2pStream } from '../../src/net/libp2p-types.ts'
import { TypedEventEmitter } from 'main-event'
import { StreamCloseEvent } from '@libp2p/interface'
import type { Frame, StreamFrame } from './frame.ts'
import { VirtualStream } from './virtual-stream.ts'

/** Changes what a node sends on streams of a protocol, or keeps it back by giving nothing. */
export type Tamper = (protocol: string, bytes: Uint8Array) => Uint8Array | undefined

/** What takes streams that the other end opens. */
export interface StreamHandlers {
  /** Called with each; undefined when the protocol is not spoken. */
  handlerOf(protocol: string): { accept(stream: Libp2pStream, connection: Libp2pConnection): void; maxInbound: number; maxOutbound: number } | undefined
}

/** What one end of a {@link VirtualConnection} works with. */
export interface ConnectionInit {
  readonly id: string
  readonly remotePeer: Libp2pPeerId
  readonly remoteAddr: Libp2pMultiaddr
  readonly direction: 'inbound' | 'outbound'
  readonly handlers: StreamHandlers
  readonly log: Libp2pConnection['log']
  /** Puts a frame on the wire to the other end. */
  readonly send: (frame: Frame) => void
  readonly tamper: () => Tamper | undefined
  readonly closed: (connection: VirtualConnection) => void
}

interface Opening {
  readonly stream: VirtualStream
  settle(error?: Error): void
}

/** One end of a connection of two virtual nodes: what libp2p's own does, without sockets. */
export class VirtualConnection extends TypedEventEmitter<object> {
  readonly id: string
  readonly remotePeer: Libp2pPeerId
  readonly remoteAddr: Libp2pMultiaddr
  readonly direction: 'inbound' | 'outbound'
  readonly timeline = { open: 0 }
  readonly direct = true
  readonly log: Libp2pConnection['log']
  status: Libp2pConnection['status'] = 'open'
  readonly #init: ConnectionInit
  readonly #streams = new Map<string, VirtualStream>()
  readonly #openings = new Map<string, Opening>()
  #opened = 0

  constructor(init: ConnectionInit) {
    super()
    this.#init = init
    this.id = init.id
    this.remotePeer = init.remotePeer
    this.remoteAddr = init.remoteAddr
    this.direction = init.direction
    this.log = init.log
  }

  get streams(): VirtualStream[] {
    return [...this.#streams.values()]
  }

  /** As libp2p hands it out. */
  get asConnection(): Libp2pConnection {
    return this as unknown as Libp2pConnection
  }

  readonly newStream = async (protocols: string | string[], { signal }: { signal?: AbortSignal } = {}): Promise<VirtualStream> => {
    if (this.status !== 'open') throw named('ConnectionClosedError', `the connection is ${this.status}`)
    signal?.throwIfAborted()
    const [protocol = ''] = [protocols].flat()
    const max = this.#init.handlers.handlerOf(protocol)?.maxOutbound ?? 64
    const stream = this.#addStream(`${this.direction}-${this.#opened++}`, protocol, 'outbound')
    const { promise, resolve, reject } = Promise.withResolvers<VirtualStream>()
    const onAbort = (): void => {
      const reason: unknown = signal?.reason
      this.#openings.get(stream.id)?.settle(reason instanceof Error ? reason : named('AbortError', 'the stream is not wanted any more'))
    }
    this.#openings.set(stream.id, {
      stream,
      settle: (error) => {
        this.#openings.delete(stream.id)
        signal?.removeEventListener('abort', onAbort)
        if (!error) return resolve(stream)
        stream.abort(error)
        reject(error)
      },
    })
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#init.send({ kind: 'open', stream: stream.id, protocol })
    if (this.#countOf(protocol, 'outbound') > max) {
      this.#openings.get(stream.id)?.settle(named('TooManyOutboundProtocolStreamsError', `more than ${max} streams of ${protocol}`))
    }
    return promise
  }

  async close(): Promise<void> {
    if (this.status !== 'open') return
    this.#init.send({ kind: 'end' })
    this.end()
  }

  abort(error: Error): void {
    if (this.status !== 'open') return
    this.#init.send({ kind: 'end', error: named('ECONNRESET', 'the other end reset the connection') })
    this.end(error)
  }

  /** The connection is over at this end. */
  end(error?: Error): void {
    if (this.status !== 'open') return
    this.status = error ? 'aborted' : 'closed'
    for (const opening of this.#openings.values()) opening.settle(error ?? named('ConnectionClosedError', 'the connection was closed'))
    for (const stream of this.#streams.values()) stream.onTransportClosed(error)
    this.#streams.clear()
    this.#init.closed(this)
    this.dispatchEvent(new StreamCloseEvent(error !== undefined, error))
  }

  /** A frame came from the other end. */
  receive(frame: Frame): void {
    if (this.status !== 'open') return
    switch (frame.kind) {
      case 'end':
        return this.end(frame.error)
      case 'open':
        return this.#accept(frame.stream, frame.protocol)
      case 'opened':
        return this.#openings.get(frame.stream)?.settle()
      case 'unsupported':
        return this.#openings.get(frame.stream)?.settle(named('UnsupportedProtocolError', 'the other end does not speak the protocol'))
      default: {
        const opening = this.#openings.get(frame.stream)
        if (opening && frame.kind === 'reset') return opening.settle(named('StreamResetError', 'the stream was reset while it was opened'))
        this.#streams.get(frame.stream)?.receive(frame)
      }
    }
  }

  #accept(id: string, protocol: string): void {
    const handler = this.#init.handlers.handlerOf(protocol)
    if (!handler) return this.#init.send({ kind: 'unsupported', stream: id })
    const stream = this.#addStream(id, protocol, 'inbound')
    this.#init.send({ kind: 'opened', stream: id })
    if (this.#countOf(protocol, 'inbound') > handler.maxInbound) {
      return stream.abort(named('TooManyInboundProtocolStreamsError', `more than ${handler.maxInbound} streams of ${protocol}`))
    }
    handler.accept(stream, this.asConnection)
  }

  #addStream(id: string, protocol: string, direction: 'inbound' | 'outbound'): VirtualStream {
    const stream = new VirtualStream({
      id,
      protocol,
      direction,
      log: this.log,
      send: (frame: StreamFrame) => this.#init.send(frame),
      tamper: () => {
        const tamper = this.#init.tamper()
        return tamper && ((bytes) => tamper(protocol, bytes))
      },
    })
    this.#streams.set(id, stream)
    stream.addEventListener('close', () => this.#streams.delete(id))
    return stream
  }

  #countOf(protocol: string, direction: 'inbound' | 'outbound'): number {
    return this.streams.filter((stream) => stream.protocol === protocol && stream.direction === direction).length
  }
}

export function named(name: string, message: string): Error {
  const error = new Error(message)
  error.name = name
  return Object.assign(error, { code: name })
}
