import fc from 'fast-check'
import { Bitfield } from '../../src/core/bitfield.ts'
import { ByteReader } from '../../src/wire/byte-reader.ts'
import { ByteWriter } from '../../src/wire/byte-writer.ts'
import { controlMessages, decodePayload, encodeFrame, replyMessages, requestMessages, type MessageSet } from '../../src/wire/codec.ts'
import { FrameDecoder } from '../../src/wire/frame-decoder.ts'
import { frameHeaderBytes } from '../../src/wire/frame-header.ts'
import type { Message } from '../../src/wire/messages.ts'
import { limits } from '../../src/wire/protocol.ts'
import { ReplyDecoder, type ReplyPart } from '../../src/wire/reply-decoder.ts'
import { bytes, controlMessage, controlMessagesByType, repliesByType, request } from '../wire/arbitrary-message.ts'
import { codes, decoder, type Decoder } from './decoder.ts'

const violates = codes('ERR_PEER_PROTOCOL')
/** A digest of 32 bytes is 71 characters of text, and each item of a list counts besides its bytes. */
const messageUnits = (inputBytes: number): number => 5 * inputBytes + 64
const frameUnits = (inputBytes: number): number => 8 * inputBytes + 64
/** Length of the piece that stands for all that are asked for. */
const askedBytes = 20

const control = 'wire/frame-decoder.ts#FrameDecoder'

/** A message of a newer node: skipped. */
const optionalFrame = fc.tuple(fc.integer({ min: 0x80, max: 0xff }), bytes(200)).map(([code, rest]) => Buffer.concat([Uint8Array.of(code, 0, 0, rest.byteLength), rest]))

function frames<M extends Message>(name: string, messages: MessageSet<M>, drawn: fc.Arbitrary<M>): Decoder {
  return decoder<readonly M[]>({
    name,
    covers: [control, 'wire/codec.ts#decodePayload', 'wire/frame-header.ts#readPayloadLength', 'wire/frame-assembler.ts#FrameAssembler'],
    kind: 'binary',
    read: (bytes) => new FrameDecoder(messages).push(bytes),
    refuses: violates,
    samples: fc.array(fc.oneof(drawn.map(encodeFrame), optionalFrame), { maxLength: 4 }).map((frames) => Buffer.concat(frames)),
    values: fc.array(drawn, { maxLength: 4 }),
    print: (values) => Buffer.concat(values.map(encodeFrame)),
    maxUnits: frameUnits,
    open: () => {
      const decoder = new FrameDecoder(messages)
      return (chunk) => decoder.push(chunk)
    },
  })
}

/** Layouts whose every bit is spoken for: there is no flag that a reader ignores. */
const exact: ReadonlySet<Message['type']> = new Set<Message['type']>([
  'claim', 'have', 'fresh', 'fetching', 'forget', 'inline', 'lease', 'hold-off', 'grant', 'request', 'piece', 'busy', 'absent',
])

function payload<M extends Message>(type: M['type'], messages: MessageSet<M>, drawn: fc.Arbitrary<M>): Decoder {
  const [sample] = fc.sample(drawn, { numRuns: 1, seed: 1 })
  const code = sample && encodeFrame(sample)[0]
  return decoder<M>({
    name: `message-${type}`,
    covers: ['wire/codec.ts#decodePayload', 'wire/byte-reader.ts#ByteReader'],
    kind: 'binary',
    read: (bytes) => decodePayload(messages, code ?? 0, bytes),
    refuses: violates,
    values: drawn,
    print: (message) => encodeFrame(message).subarray(frameHeaderBytes),
    // A member has flags too.
    exact: exact.has(type) && type !== 'lease',
    maxUnits: messageUnits,
  })
}

function openReplies(): (chunk: Uint8Array) => readonly unknown[] {
  const decoder = new ReplyDecoder()
  decoder.expect(askedBytes)
  return (chunk) => decoder.push(chunk).flatMap(bytewise)
}

/** How a body is cut follows the chunks; its bytes do not. */
function bytewise(part: ReplyPart): readonly unknown[] {
  return part.type === 'body' ? Array.from(part.bytes, (byte) => ({ type: 'body', byte })) : [part]
}

const answer = fc.oneof(
  bytes(askedBytes, askedBytes).map((body) => Buffer.concat([encodeFrame({ type: 'piece', sizeBytes: askedBytes }), body])),
  repliesByType.busy.map(encodeFrame),
  repliesByType.absent.map(encodeFrame),
  optionalFrame.map((frame) => Buffer.concat([frame, encodeFrame({ type: 'absent' })])),
)

export const wireDecoders: readonly Decoder[] = [
  frames('control-stream', controlMessages, controlMessage),
  frames('request-stream', requestMessages, request),
  decoder<readonly unknown[]>({
    name: 'reply-stream',
    covers: ['wire/reply-decoder.ts#ReplyDecoder', control],
    kind: 'binary',
    read: (bytes) => openReplies()(bytes),
    refuses: violates,
    samples: answer,
    // Byte by byte, as it is compared here.
    maxUnits: (inputBytes) => 8 * inputBytes + 64,
    open: openReplies,
    holds: (parts) => parts.filter((part) => typeof part === 'object' && part !== null && 'byte' in part).length <= askedBytes,
  }),
  ...Object.entries(controlMessagesByType).map(([type, drawn]) => payload<Message>(type as Message['type'], controlMessages, drawn)),
  payload('request', requestMessages, request),
  ...Object.entries(repliesByType).map(([type, drawn]) => payload<Message>(type as Message['type'], replyMessages, drawn)),
  decoder<number>({
    name: 'varint',
    covers: ['wire/byte-reader.ts#ByteReader'],
    kind: 'binary',
    read(bytes) {
      const reader = new ByteReader(bytes)
      const value = reader.varint()
      reader.end()
      return value
    },
    refuses: violates,
    values: fc.oneof(fc.nat(300), fc.maxSafeNat()),
    print(value) {
      const writer = new ByteWriter(limits.varintBytes)
      writer.varint(value)
      return writer.finish()
    },
    exact: true,
    holds: (value) => Number.isSafeInteger(value) && value >= 0,
  }),
  decoder<{ pieceCount: number; pieces: readonly number[] }>({
    name: 'bitfield-bits',
    covers: ['core/bitfield.ts#Bitfield'],
    kind: 'binary',
    // Two bytes for the number of pieces, which a receiver knows.
    read(bytes) {
      if (bytes.byteLength < 2) return undefined
      const pieceCount = new DataView(bytes.buffer, bytes.byteOffset).getUint16(0)
      const bits = Bitfield.fromBytes(bytes.subarray(2), pieceCount)
      return bits && { pieceCount, pieces: [...bits.indexes()] }
    },
    values: fc.nat(300).chain((pieceCount) =>
      fc.record({ pieceCount: fc.constant(pieceCount), pieces: fc.subarray(Array.from({ length: pieceCount }, (_, piece) => piece)) }, { noNullPrototype: true }),
    ),
    print({ pieceCount, pieces }) {
      const bits = new Bitfield(pieceCount)
      for (const piece of pieces) bits.add(piece)
      return Buffer.concat([Uint8Array.of(pieceCount >> 8, pieceCount & 0xff), bits.toBytes()])
    },
    exact: true,
    maxUnits: (inputBytes) => 8 * inputBytes + 64,
    holds: ({ pieceCount, pieces }) => pieces.every((piece) => piece < pieceCount),
  }),
]
