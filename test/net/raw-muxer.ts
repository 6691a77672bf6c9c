import type { Libp2pConnection } from '../../src/net/libp2p-types.ts'

/** Flags of yamux frames. */
export const [syn, ack, rst] = [1, 2, 8] as const
/** Types of yamux frames. */
export const [dataFrame, windowUpdateFrame, pingFrame] = [0, 1, 2] as const

/** Header of a yamux frame. */
export interface FrameHeader {
  readonly type: number
  readonly flag: number
  readonly streamID: number
  readonly length: number
}

/** The muxer of a connection, below what libp2p lets its users do: any frame, at any time. */
export class RawMuxer {
  readonly #send: (bytes: Uint8Array) => void
  #nextStream = 100_001

  constructor(connection: Libp2pConnection) {
    const { muxer } = connection as unknown as { muxer: { send(bytes: Uint8Array): void } }
    this.#send = (bytes) => muxer.send(bytes)
  }

  frame({ type, flag, streamID, length }: FrameHeader, body: Uint8Array = new Uint8Array(0)): void {
    const header = Buffer.alloc(12)
    header.writeUInt8(type, 1)
    header.writeUInt16BE(flag, 2)
    header.writeUInt32BE(streamID, 4)
    header.writeUInt32BE(length, 8)
    this.#send(Buffer.concat([header, body]))
  }

  /** Opens a stream, without saying what for. */
  open(): number {
    const streamID = this.#nextStream
    this.#nextStream += 2
    this.frame({ type: windowUpdateFrame, flag: syn, streamID, length: 0 })
    return streamID
  }

  reset(streamID: number): void {
    this.frame({ type: windowUpdateFrame, flag: rst, streamID, length: 0 })
  }
}
