import type { Libp2pConnection } from '../../src/net/libp2p-types.ts'
import type { Hello } from '../../src/wire/messages.ts'
import { controlProtocol } from '../../src/wire/protocol.ts'
import type { LabNode } from '../lab/lab-node.ts'
import type { VirtualNode } from '../lab/virtual-node.ts'
import { plainHello } from '../net/nodes.ts'
import { RawStream } from '../net/raw-peer.ts'
import type { Stage } from './stage.ts'

/** A link whose other end says and does anything. */
export interface RawLink {
  readonly host: VirtualNode
  readonly connection: Libp2pConnection
  readonly control: RawStream
}

/** Somebody links to a node as it should, up to and including its `hello`. */
export async function rawLink(stage: Stage, { libp2p }: LabNode, hello: Partial<Hello> = {}): Promise<RawLink> {
  const { time } = stage.lab
  const host = await stage.badHost()
  const connection = await time.until(host.dial(libp2p.getMultiaddrs()))
  const control = new RawStream(await time.until(connection.newStream(controlProtocol)))
  control.send({ ...plainHello, ...hello })
  if (hello.version === undefined) await time.until(control.firstMessage)
  return { host, connection, control }
}

/** A frame with any type, and any length in its header. */
export function frame(type: number, payload: Uint8Array, announcedBytes: number = payload.byteLength): Uint8Array {
  return Buffer.concat([Buffer.from([type, announcedBytes >> 16, (announcedBytes >> 8) & 0xff, announcedBytes & 0xff]), payload])
}

/** A number in LEB128. */
export function varint(value: number): Uint8Array {
  const bytes: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 0x80)) {
    if (rest < 0x80) return Uint8Array.from([...bytes, rest])
    bytes.push(0x80 | (rest % 0x80))
  }
}
