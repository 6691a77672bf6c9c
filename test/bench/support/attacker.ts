import { setTimeout as pause } from 'node:timers/promises'
import { multiaddr } from '@multiformats/multiaddr'
import { createDefaultNode } from '../../../src/net/libp2p-node.ts'
import type { Libp2pConnection } from '../../../src/net/libp2p-types.ts'
import { controlMessages, requestMessages } from '../../../src/wire/codec.ts'
import { FrameDecoder } from '../../../src/wire/frame-decoder.ts'
import { controlProtocol, pieceProtocol } from '../../../src/wire/protocol.ts'
import { plainHello } from '../../net/nodes.ts'
import { RawMuxer } from '../../net/raw-muxer.ts'
import { RawStream } from '../../net/raw-peer.ts'
import { bait } from './hostile-messages.ts'

/** One identity that attacks. */
export class Attacker {
  readonly #node: Awaited<ReturnType<typeof createDefaultNode>>
  readonly connection: Libp2pConnection
  readonly muxer: RawMuxer

  private constructor(node: Awaited<ReturnType<typeof createDefaultNode>>, connection: Libp2pConnection) {
    this.#node = node
    this.connection = connection
    this.muxer = new RawMuxer(connection)
  }

  /** Tries until it is let in. */
  static async start(addresses: readonly string[]): Promise<Attacker> {
    const node = await createDefaultNode({ listen: [] })
    await node.start()
    for (;;) {
      try {
        return new Attacker(node, await node.dial(addresses.map((address) => multiaddr(address))))
      } catch {
        await pause(500)
      }
    }
  }

  /** Greets as it should. */
  async link(): Promise<RawStream> {
    const control = new RawStream(await this.connection.newStream(controlProtocol))
    control.send(plainHello)
    await Promise.race([control.firstMessage, control.ended])
    return control
  }

  /**
   * Says that it has whatever it is asked for, and answers requests its own way.
   * @param answer - what it sends for a piece of so many bytes
   * @param trickleMs - sends another byte each time so long after the last one
   */
  async pretend(answer: (bytes: number) => Uint8Array[], trickleMs?: number): Promise<void> {
    const control = new RawStream(await this.connection.newStream(controlProtocol))
    const decoder = new FrameDecoder(controlMessages)
    await this.#node.unhandle(pieceProtocol).catch(() => {})
    await this.#node.handle(pieceProtocol, (stream) => {
      const requests = new FrameDecoder(requestMessages)
      stream.addEventListener('message', ({ data }) => {
        for (const _ of requests.push(data.subarray())) {
          for (const bytes of answer(bait.sizeBytes)) stream.send(bytes)
          const timer = trickleMs === undefined ? undefined : setInterval(() => stream.status === 'open' && stream.send(Buffer.alloc(1)), trickleMs)
          stream.addEventListener('close', () => clearInterval(timer))
        }
      })
    })
    control.stream.addEventListener('message', ({ data }) => {
      for (const message of decoder.push(data.subarray())) {
        if (message.type !== 'bitfield' || !message.wants || message.sizeBytes !== bait.sizeBytes) continue
        const { digest, sizeBytes } = message
        control.send({ type: 'bitfield', digest, sizeBytes, wants: false, complete: true, private: false, bits: new Uint8Array(0) })
      }
    })
    control.send(plainHello)
    await control.ended
  }

  async stop(): Promise<void> {
    await this.#node.stop()
  }
}
