import type { Libp2p } from 'libp2p'
import { multiaddr } from '@multiformats/multiaddr'
import { createDefaultNode } from '../../src/net/libp2p-node.ts'
import type { Libp2pConnection, Libp2pStream, ReceivedBytes } from '../../src/net/libp2p-types.ts'
import { controlMessages, encodeFrame } from '../../src/wire/codec.ts'
import { FrameDecoder } from '../../src/wire/frame-decoder.ts'
import type { ControlMessage, Message } from '../../src/wire/messages.ts'
import { controlProtocol, pieceProtocol } from '../../src/wire/protocol.ts'
import { plainHello, type TestNode } from './nodes.ts'

/** A stream as a misbehaving peer uses it: any bytes, at any time. */
export class RawStream {
  readonly stream: Libp2pStream
  /** Settles when the other end has reset the stream. */
  readonly ended: Promise<void>
  receivedBytes = 0
  readonly #decoder = new FrameDecoder(controlMessages)
  readonly #first = Promise.withResolvers<ControlMessage>()

  constructor(stream: Libp2pStream) {
    this.stream = stream
    this.ended = new Promise((resolve) => {
      if (stream.status !== 'open') resolve()
      stream.addEventListener('close', () => resolve())
    })
    stream.addEventListener('message', ({ data }: { data: ReceivedBytes }) => {
      this.receivedBytes += data.byteLength
      if (stream.protocol !== controlProtocol) return
      const [message] = this.#decoder.push(data.subarray())
      if (message) this.#first.resolve(message)
    })
  }

  /** The first control message that came. */
  get firstMessage(): Promise<ControlMessage> {
    return this.#first.promise
  }

  send(message: Message | Uint8Array): void {
    this.stream.send(message instanceof Uint8Array ? message : encodeFrame(message))
  }

  reset(): void {
    this.stream.abort(new TypeError('reset by the test'))
  }
}

/** A libp2p node without a link host. */
export class RawPeer implements AsyncDisposable {
  readonly node: Libp2p
  readonly peerId: string

  private constructor(node: Libp2p) {
    this.node = node
    this.peerId = node.peerId.toString()
  }

  static async start(): Promise<RawPeer> {
    const node = await createDefaultNode({ listen: ['/ip4/127.0.0.1/tcp/0'] })
    await node.start()
    return new RawPeer(node)
  }

  get addresses(): string[] {
    return this.node.getMultiaddrs().map(String)
  }

  async connect(to: Pick<TestNode, 'addresses'>): Promise<Libp2pConnection> {
    return this.node.dial(to.addresses.map((address) => multiaddr(address)))
  }

  async openControl(to: Pick<TestNode, 'addresses'>): Promise<RawStream> {
    const connection = await this.connect(to)
    return new RawStream(await connection.newStream(controlProtocol))
  }

  async openData(to: Pick<TestNode, 'addresses'>): Promise<RawStream> {
    const connection = await this.connect(to)
    return new RawStream(await connection.newStream(pieceProtocol))
  }

  /** Greets as it should; the link is open on both ends when this resolves. */
  async link(to: TestNode): Promise<RawStream> {
    const control = await this.openControl(to)
    control.send(plainHello)
    await control.firstMessage
    await to.log.until((log) => log.opened.some((link) => link.peerId === this.peerId))
    return control
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.node.stop()
  }
}
