import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'vitest'
import { ByteReader } from '../../src/wire/byte-reader.ts'
import { ByteWriter } from '../../src/wire/byte-writer.ts'
import { controlMessages, encodeFrame, replyMessages, requestMessages } from '../../src/wire/codec.ts'
import { FrameDecoder } from '../../src/wire/frame-decoder.ts'
import type { Message } from '../../src/wire/messages.ts'
import { ReplyDecoder } from '../../src/wire/reply-decoder.ts'

interface Frame {
  name: string
  stream: 'control' | 'request' | 'reply'
  hex: string
}
interface Dialogue {
  name: string
  expectedBytes: number
  hex: string
}
interface Frames {
  valid: (Frame & { message: unknown })[]
  tolerated: (Frame & { message: unknown })[]
  invalid: (Frame & { reason: string })[]
}
interface Replies {
  valid: (Dialogue & { reply: unknown; body: string })[]
  invalid: (Dialogue & { reason: string })[]
}
interface Varints {
  valid: { value: number; hex: string }[]
  invalid: { hex: string; reason: string }[]
}

const violated = { name: 'PeerError', code: 'ERR_PEER_PROTOCOL' }

describe('frames.json', () => {
  const { valid, tolerated, invalid } = read<Frames>('frames.json')

  for (const { name, stream, hex, message } of valid) {
    test(`${name}: reads and writes`, () => {
      const [decoded, ...more] = decode(stream, hex)
      assert.ok(decoded)
      assert.deepEqual([toJson(decoded), more], [message, []])
      assert.equal(Buffer.from(encodeFrame(decoded)).toString('hex'), hex)
    })
  }
  for (const { name, stream, hex, message } of tolerated) {
    test(`${name}: ${message ? 'reads' : 'is skipped'}`, () => {
      assert.deepEqual(decode(stream, hex).map(toJson), message ? [message] : [])
    })
  }
  for (const { name, stream, hex, reason } of invalid) {
    test(`${name}: refused (${reason})`, () => {
      assert.throws(() => decode(stream, hex), violated)
    })
  }

  test('every message has a valid vector, and an invalid one', () => {
    const codes = (rows: readonly Frame[]): Set<string> => new Set(rows.map(({ hex }) => hex.slice(0, 2)))
    for (const code of [...controlMessages.keys(), ...requestMessages.keys(), ...replyMessages.keys()]) {
      const hex = code.toString(16).padStart(2, '0')
      assert.ok(codes(valid).has(hex) && codes(invalid).has(hex), hex)
    }
  })
})

describe('replies.json', () => {
  const { valid, invalid } = read<Replies>('replies.json')

  for (const { name, expectedBytes, hex, reply, body } of valid) {
    test(name, () => {
      const decoder = new ReplyDecoder()
      decoder.expect(expectedBytes)
      const [first, ...rest] = decoder.push(Buffer.from(hex, 'hex'))
      assert.deepEqual(first, reply)
      const bytes = rest.flatMap((part) => (part.type === 'body' ? [part.bytes] : []))
      assert.equal(Buffer.concat(bytes).toString('hex'), body)
      assert.equal(rest.at(-1)?.type, body ? 'end' : undefined)
    })
  }
  for (const { name, expectedBytes, hex, reason } of invalid) {
    test(`${name}: refused (${reason})`, () => {
      const decoder = new ReplyDecoder()
      decoder.expect(expectedBytes)
      assert.throws(() => decoder.push(Buffer.from(hex, 'hex')), violated)
    })
  }
})

describe('varints.json', () => {
  const { valid, invalid } = read<Varints>('varints.json')

  for (const { value, hex } of valid) {
    test(`${hex} is ${value}`, () => {
      const reader = new ByteReader(Buffer.from(hex, 'hex'))
      assert.equal(reader.varint(), value)
      reader.end()
      const writer = new ByteWriter(8)
      writer.varint(value)
      assert.equal(Buffer.from(writer.finish()).toString('hex'), hex)
    })
  }
  for (const { hex, reason } of invalid) {
    test(`${hex || 'nothing'} is refused: ${reason}`, () => {
      assert.throws(() => new ByteReader(Buffer.from(hex, 'hex')).varint(), violated)
    })
  }
})

function read<T>(file: string): T {
  const url = new URL(`../../docs/spec/vectors/${file}`, import.meta.url)
  return JSON.parse(readFileSync(url, 'utf8')) as T
}

function decode(stream: Frame['stream'], hex: string): Message[] {
  const messages = { control: controlMessages, request: requestMessages, reply: replyMessages }[stream]
  return new FrameDecoder<Message>(messages).push(Buffer.from(hex, 'hex'))
}

/** Bytes as hex, everything else as it is. */
function toJson(message: Message): unknown {
  return JSON.parse(
    JSON.stringify(message, (_, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
    ),
  )
}
