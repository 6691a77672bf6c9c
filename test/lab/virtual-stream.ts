import { AbstractStream } from '@libp2p/utils'
import { Uint8ArrayList } from 'uint8arraylist'
import type { StreamFrame } from './frame.ts'

/** What yamux grants a stream at first; here it stays so. */
const windowBytes = 256 * 1024
/** A frame is no longer, so that streams take turns on a connection. */
const frameBytes = 64 * 1024

/** What a {@link VirtualStream} works with. */
export interface VirtualStreamInit {
  readonly id: string
  readonly protocol: string
  readonly direction: 'inbound' | 'outbound'
  readonly log: AbstractStream['log']
  /** Puts a frame of this stream on the wire. */
  readonly send: (frame: StreamFrame) => void
  /** Changes what leaves, or keeps it back: a node whose memory turns bits. */
  readonly tamper: () => ((bytes: Uint8Array) => Uint8Array | undefined) | undefined
}

/** A stream of a virtual connection: libp2p's own stream class over frames that are handed over in virtual time, with yamux's windows. */
export class VirtualStream extends AbstractStream {
  readonly #send: VirtualStreamInit['send']
  readonly #tamper: VirtualStreamInit['tamper']
  #creditBytes = windowBytes
  #owedBytes = 0

  constructor({ send, tamper, ...init }: VirtualStreamInit) {
    super({ ...init, maxReadBufferLength: 1024 * 1024 })
    this.#send = send
    this.#tamper = tamper
  }

  /** What was written and does not fit into the window of the other end. */
  get waitingBytes(): number {
    return this.writeBuffer.byteLength
  }

  override sendData(data: Uint8ArrayList): { sentBytes: number; canSendMore: boolean } {
    let sentBytes = 0
    while (data.byteLength > 0 && this.#creditBytes > 0) {
      const length = Math.min(frameBytes, this.#creditBytes, data.byteLength)
      const bytes = data.sublist(0, length)
      data.consume(length)
      this.#creditBytes -= length
      sentBytes += length
      const tamper = this.#tamper()
      const sent = tamper ? tamper(bytes.slice()) : bytes
      if (sent) this.#send({ kind: 'data', stream: this.id, bytes: new Uint8ArrayList(sent) })
    }
    return { sentBytes, canSendMore: data.byteLength === 0 }
  }

  override sendReset(): void {
    this.#send({ kind: 'reset', stream: this.id })
  }

  override sendPause(): void {}

  override sendResume(): void {
    this.#grant()
  }

  override async sendCloseWrite(): Promise<void> {
    this.#send({ kind: 'fin', stream: this.id })
  }

  override async sendCloseRead(): Promise<void> {}

  /** A frame came from the other end. */
  receive(frame: StreamFrame): void {
    switch (frame.kind) {
      case 'data':
        this.#owedBytes += frame.bytes.byteLength
        this.onData(frame.bytes)
        if (this.readStatus !== 'paused') this.#grant()
        break
      case 'window':
        this.#creditBytes += frame.sizeBytes
        if (this.writeBuffer.byteLength > 0) this.safeDispatchEvent('drain')
        break
      case 'fin':
        this.onRemoteCloseWrite()
        break
      case 'reset':
        if (this.status === 'open' || this.status === 'closing') this.onRemoteReset()
        break
      default:
        break
    }
  }

  /** Not for every frame: half a window at a time is soon enough. */
  #grant(): void {
    if (this.#owedBytes < windowBytes / 2 || this.status !== 'open') return
    this.#send({ kind: 'window', stream: this.id, sizeBytes: this.#owedBytes })
    this.#owedBytes = 0
  }
}
