import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { controlMessages, encodeFrame, replyMessages, requestMessages } from '../../src/wire/codec.ts'
import { FrameDecoder } from '../../src/wire/frame-decoder.ts'
import type { ControlMessage, Member, Message } from '../../src/wire/messages.ts'
import { limits } from '../../src/wire/protocol.ts'
import { controlMessage, cut, reply, request } from './arbitrary-message.ts'
import { fuzz } from './fuzz.ts'

const violated = { code: 'ERR_PEER_PROTOCOL' }
const digest = digestOf(Uint8Array.of(1))
const join: ControlMessage = { type: 'join', topic: digest, asks: true }

describe('FrameDecoder', () => {
  test('a message comes with its last byte, not before and not later', () => {
    const decoder = new FrameDecoder(controlMessages)
    const bytes = encodeFrame(join)
    for (const byte of bytes.subarray(0, -1)) assert.deepEqual(decoder.push(Uint8Array.of(byte)), [])
    assert.deepEqual(decoder.push(bytes.subarray(-1)), [join])
    assert.deepEqual(decoder.push(new Uint8Array()), [])
  })

  test('the longest payload is taken', () => {
    const decoder = new FrameDecoder(controlMessages)
    const longest = frame(0x80, new Uint8Array(limits.frameBytes))
    assert.deepEqual(decoder.push(longest), [])
    for (const chunk of cut(longest, [1000])) assert.deepEqual(decoder.push(chunk), [])
    assert.deepEqual(decoder.push(encodeFrame(join)), [join])
  })

  for (const lengths of [[4], [1, 3], [2], [3, 1], [1]]) {
    test(`too long a payload is refused with the header, in chunks of ${lengths.join(' and ')}`, () => {
      const chunks = [...cut(Uint8Array.of(0x06, 0x01, 0x00, 0x01), lengths)]
      const last = chunks.pop()
      const decoder = new FrameDecoder(controlMessages)
      for (const chunk of chunks) assert.deepEqual(decoder.push(chunk), [])
      assert.ok(last)
      assert.throws(() => decoder.push(last), violated)
    })
  }

  test('memory follows what has come, not what was announced', () => {
    const header = Uint8Array.of(0x06, 0x01, 0x00, 0x00, 0x00)
    const before = process.memoryUsage().arrayBuffers
    const decoders = Array.from({ length: 1000 }, () => new FrameDecoder(controlMessages))
    for (const decoder of decoders) decoder.push(header)
    const heldBytes = process.memoryUsage().arrayBuffers - before
    assert.ok(heldBytes < 1_000_000, `${heldBytes} bytes for ${decoders.length} decoders that were sent 5 bytes each`)
  })

  test('what a message keeps does not keep the chunk', () => {
    const member: Member = {
      peerId: new Uint8Array(38),
      supernode: false,
      location: { region: '', zone: '', rack: '' },
      addresses: [new Uint8Array(8)],
    }
    const runs = [{ first: 0, count: 1 }]
    const holder = new Uint8Array(38)
    const sent: ControlMessage[] = [
      { type: 'bitfield', digest, sizeBytes: 1, wants: false, complete: false, private: false, bits: Uint8Array.of(0x80) },
      { type: 'claim', digest, sizeBytes: 1, first: 0, issuer: new Uint8Array(38), signature: new Uint8Array(64), hashes: new Uint8Array(32) },
      { type: 'members', topic: digest, busy: false, guest: false, members: [member], nearer: [member] },
      { type: 'inline', digest, bytes: new Uint8Array(5) },
      {
        type: 'lease-ask',
        digest,
        sizeBytes: 1,
        holder,
        takeover: false,
        hops: 0,
        region: '',
        number: 0,
        rateBytesPerSecond: 1,
        count: 1,
        held: [],
        wanted: runs,
      },
      { type: 'lease', digest, holder, number: 1, validMs: 1, retryAfterMs: 1, grants: [{ source: member, runs }] },
    ]
    const chunk = Buffer.concat([...sent.map(encodeFrame), frame(0x80, new Uint8Array(60_000))])
    for (const bytes of bytesIn(new FrameDecoder(controlMessages).push(chunk))) {
      assert.equal(bytes.buffer.byteLength, bytes.byteLength)
    }
  })

  test('after an error every later chunk is refused, good ones too', () => {
    const decoder = new FrameDecoder(controlMessages)
    assert.throws(() => decoder.push(frame(0x00, new Uint8Array())), violated)
    assert.throws(() => decoder.push(encodeFrame(join)), violated)
    assert.throws(() => decoder.push(new Uint8Array()), violated)
  })

  test('each kind of stream takes its own messages and refuses all others', () => {
    const kinds = [
      { messages: controlMessages, made: controlMessage },
      { messages: requestMessages, made: request },
      { messages: replyMessages, made: reply },
    ]
    for (const { made } of kinds) {
      for (const { messages } of kinds) {
        const isOwn = kinds.some((kind) => kind.made === made && kind.messages === messages)
        fc.assert(
          fc.property<[Message]>(made, (message) => {
            const decoder = new FrameDecoder<Message>(messages)
            if (isOwn) assert.deepEqual(decoder.push(encodeFrame(message)), [message])
            else assert.throws(() => decoder.push(encodeFrame(message)), violated)
          }),
          { ...fuzz, numRuns: Math.ceil(fuzz.numRuns / 10) },
        )
      }
    }
  })
})

function frame(code: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + payload.byteLength)
  new DataView(bytes.buffer).setUint32(0, code * 2 ** 24 + payload.byteLength)
  bytes.set(payload, 4)
  return bytes
}

function bytesIn(value: unknown): Uint8Array[] {
  if (value instanceof Uint8Array) return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(bytesIn) : []
}
