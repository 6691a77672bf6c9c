import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { encodeFrame } from '../../src/wire/codec.ts'
import type { Reply } from '../../src/wire/messages.ts'
import { limits } from '../../src/wire/protocol.ts'
import { ReplyDecoder, type ReplyPart } from '../../src/wire/reply-decoder.ts'
import { bytes, cut, cuts } from './arbitrary-message.ts'
import { fuzz } from './fuzz.ts'

const violated = { code: 'ERR_PEER_PROTOCOL' }
const optional = Uint8Array.of(0x80, 0, 0, 1, 7)

/** What a holder answers to one request. */
interface Answer {
  reply: Reply
  body: Uint8Array
}

const answer: fc.Arbitrary<Answer> = fc.oneof<fc.Arbitrary<Answer>[]>(
  bytes(12_000, 1).map((body) => ({ reply: { type: 'piece', sizeBytes: body.byteLength }, body })),
  fc.nat(limits.busyMs).map((retryAfterMs) => ({ reply: { type: 'busy', retryAfterMs }, body: new Uint8Array() })),
  fc.constant({ reply: { type: 'absent' }, body: new Uint8Array() }),
)

describe('ReplyDecoder', () => {
  test('finds one answer after the other however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(answer, { maxLength: 4 }), cuts, fc.boolean(), (answers, lengths, withOptional) => {
        const decoder = new ReplyDecoder()
        for (const { reply, body } of answers) {
          decoder.expect(reply.type === 'piece' ? reply.sizeBytes : 1)
          const sent = Buffer.concat([withOptional ? optional : new Uint8Array(), encodeFrame(reply), body])
          const parts = [...cut(sent, lengths)].flatMap((chunk) => decoder.push(chunk))
          assert.deepEqual(summary(parts), body.byteLength > 0 ? [reply, Buffer.from(body), { type: 'end' }] : [reply])
        }
      }),
      fuzz,
    )
  })

  test('the bytes of a piece are handed on where they lie, before the piece is whole', () => {
    const decoder = expecting(1000)
    const chunk = Buffer.concat([piece(1000), new Uint8Array(300)])
    const [header, body, ...more] = decoder.push(chunk)
    assert.deepEqual([header, more], [{ type: 'piece', sizeBytes: 1000 }, []])
    assert.ok(body?.type === 'body' && body.bytes.byteLength === 300)
    assert.equal(body.bytes.buffer, chunk.buffer)
  })

  test('the end comes with the last byte', () => {
    const decoder = expecting(2)
    decoder.push(piece(2))
    assert.deepEqual(decoder.push(Uint8Array.of(1)).map(({ type }) => type), ['body'])
    assert.deepEqual(decoder.push(Uint8Array.of(2)).map(({ type }) => type), ['body', 'end'])
  })

  test('a piece of another length than asked for is refused before its bytes', () => {
    for (const length of [1, 4, 6, 16 * 1024 * 1024]) assert.throws(() => expecting(5).push(piece(length)), violated)
  })

  test('a byte after the last one is refused, in the same chunk or the next', () => {
    const whole = Buffer.concat([piece(3), Uint8Array.of(1, 2, 3)])
    assert.throws(() => expecting(3).push(Buffer.concat([whole, Uint8Array.of(4)])), violated)
    const decoder = expecting(3)
    decoder.push(whole)
    assert.deepEqual(decoder.push(new Uint8Array()), [])
    assert.throws(() => decoder.push(Uint8Array.of(4)), violated)
  })

  test('anything before a request is refused, an optional frame too', () => {
    assert.throws(() => new ReplyDecoder().push(optional), violated)
    assert.throws(() => new ReplyDecoder().push(encodeFrame({ type: 'absent' })), violated)
  })

  test('the messages of other streams are refused', () => {
    const digest = digestOf(Uint8Array.of(1))
    assert.throws(() => expecting(1).push(encodeFrame({ type: 'request', digest, piece: 0 })), violated)
    assert.throws(() => expecting(1).push(encodeFrame({ type: 'forget', digest })), violated)
  })

  test('after an error every later chunk is refused', () => {
    const decoder = expecting(5)
    assert.throws(() => decoder.push(piece(4)), violated)
    assert.throws(() => decoder.push(piece(5)), violated)
  })

  test('a second request before the reply has ended is a mistake of the caller', () => {
    const decoder = expecting(2)
    assert.throws(() => decoder.expect(2), TypeError)
    decoder.push(piece(2))
    decoder.push(Uint8Array.of(1))
    assert.throws(() => decoder.expect(2), TypeError)
    decoder.push(Uint8Array.of(2))
    decoder.expect(2)
    assert.deepEqual(decoder.push(encodeFrame({ type: 'busy', retryAfterMs: 5 })), [{ type: 'busy', retryAfterMs: 5 }])
    decoder.expect(2)
  })
})

function expecting(sizeBytes: number): ReplyDecoder {
  const decoder = new ReplyDecoder()
  decoder.expect(sizeBytes)
  return decoder
}

function piece(sizeBytes: number): Uint8Array {
  return encodeFrame({ type: 'piece', sizeBytes })
}

/** The parts, with all bytes of the body as one. */
function summary(parts: readonly ReplyPart[]): unknown[] {
  const body = Buffer.concat(parts.flatMap((part) => (part.type === 'body' ? [part.bytes] : [])))
  const [first, ...rest] = parts
  const others = rest.filter(({ type }) => type !== 'body')
  return body.byteLength > 0 ? [first, body, ...others] : [first, ...others]
}
