import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { digestOf, digestToBytes } from '../../src/core/digest.ts'
import { PeerError } from '../../src/core/errors.ts'
import type { ByteReader } from '../../src/wire/byte-reader.ts'
import { ByteWriter } from '../../src/wire/byte-writer.ts'
import {
  controlMessages,
  decodePayload,
  encodeFrame,
  replyMessages,
  requestMessages,
  type MessageSet,
} from '../../src/wire/codec.ts'
import type { BitfieldMessage, Message } from '../../src/wire/messages.ts'
import { limits } from '../../src/wire/protocol.ts'
import { anyMessage, bytes } from './arbitrary-message.ts'
import { fuzz } from './fuzz.ts'

const violated = { code: 'ERR_PEER_PROTOCOL' }
const digest = digestOf(Uint8Array.of(1))
const hash = new Uint8Array(digestToBytes(digest))
const allMessages: MessageSet<Message> = new Map<number, (from: ByteReader) => Message>([
  ...controlMessages,
  ...requestMessages,
  ...replyMessages,
])

describe('encodeFrame and decodePayload', () => {
  test('any message reads back as it was', () => {
    fc.assert(
      fc.property(anyMessage, (message) => {
        const { code, payload } = split(encodeFrame(message))
        assert.deepEqual(decodePayload(allMessages, code, payload), message)
      }),
      fuzz,
    )
  })

  test('what was read does not change with the memory that it came in', () => {
    fc.assert(
      fc.property(anyMessage, (message) => {
        const { code, payload } = split(Buffer.from(encodeFrame(message)))
        const decoded = decodePayload(allMessages, code, payload)
        payload.fill(0xaa)
        assert.deepEqual(decoded, message)
      }),
      fuzz,
    )
  })

  test('a payload with a byte more or any number fewer is refused', () => {
    fc.assert(
      fc.property(anyMessage, fc.nat(), (message, cutAt) => {
        const { code, payload } = split(encodeFrame(message))
        const longer = Uint8Array.from([...payload, 0])
        assert.throws(() => decodePayload(allMessages, code, longer), violated)
        if (payload.byteLength === 0) return
        const shorter = payload.subarray(0, cutAt % payload.byteLength)
        assert.throws(() => decodePayload(allMessages, code, shorter), violated)
      }),
      fuzz,
    )
  })

  test('any payload is refused with a code, or is a message no larger than it that can be sent again', () => {
    const code = fc.constantFrom(...allMessages.keys())
    const noise = fc.record({ code, payload: bytes(200) })
    const namesABlob = fc.record({ code, payload: bytes(80).map((rest) => Uint8Array.from([...hash, ...rest])) })
    const damaged = fc
      .tuple(anyMessage, fc.nat(), fc.nat(255))
      .map(([message, at, value]) => {
        const { code, payload } = split(encodeFrame(message))
        if (payload.byteLength > 0) payload[at % payload.byteLength] = value
        return { code, payload }
      })
    fc.assert(
      fc.property(fc.oneof(noise, namesABlob, damaged), ({ code, payload }) => {
        const message = readOrRefuse(code, payload)
        if (!message) return
        assert.ok(sizeOf(message) <= payload.byteLength)
        const again = split(encodeFrame(message))
        assert.deepEqual(decodePayload(allMessages, again.code, again.payload), message)
      }),
      fuzz,
    )
  })

  test('every type is known, skipped from 0x80 on, or refused', () => {
    for (let code = 0; code <= 0xff; code++) {
      if (allMessages.has(code)) continue
      if (code >= 0x80) assert.equal(decodePayload(allMessages, code, Uint8Array.of(1, 2)), undefined)
      else assert.throws(() => decodePayload(allMessages, code, new Uint8Array()), violated)
    }
  })
})

describe('limits of messages', () => {
  const member = {
    peerId: new Uint8Array(limits.peerIdBytes),
    addresses: Array<Uint8Array>(limits.addressesPerMember).fill(new Uint8Array(limits.addressBytes)),
  }
  const text = 'x'.repeat(limits.locationBytes)
  const copy: BitfieldMessage = {
    type: 'bitfield',
    digest,
    sizeBytes: 2 ** 40,
    wants: true,
    complete: false,
    private: true,
    bits: new Uint8Array(limits.bitfieldBytes),
  }
  const members = Array<typeof member>(limits.members).fill(member)
  const hashes = Array<Uint8Array>(limits.hashesPerMessage).fill(hash)
  const pieces = Array<number>(limits.piecesPerHave).fill(65_535)
  const runs = Array<{ first: number; count: number }>(limits.runsPerFetching).fill({ first: 32_768, count: 32_768 })

  const fullest: Message[] = [
    { type: 'hello', version: Number.MAX_SAFE_INTEGER, supernode: true, location: { region: text, zone: text, rack: text } },
    { type: 'members', topic: digest, members },
    copy,
    { type: 'hashes', digest, first: 65_536 - limits.hashesPerMessage, hashes },
    { type: 'have', digest, pieces },
    { type: 'fetching', digest, runs },
  ]
  for (const message of fullest) {
    test(`${message.type} with everything at its limit fits in a frame`, () => {
      const { code, payload } = split(encodeFrame(message))
      assert.ok(payload.byteLength <= limits.frameBytes)
      assert.deepEqual(decodePayload(allMessages, code, payload), message)
    })
  }

  const illegal: [name: string, message: Message][] = [
    ['a place of 65 bytes', { type: 'hello', version: 1, supernode: false, location: { region: `${text}x`, zone: '', rack: '' } }],
    ['33 members', { type: 'members', topic: digest, members: [...members, member] }],
    ['a peer id of 65 bytes', { type: 'members', topic: digest, members: [{ peerId: new Uint8Array(65), addresses: [] }] }],
    ['9 addresses', { type: 'members', topic: digest, members: [{ ...member, addresses: [...member.addresses, hash] }] }],
    ['an address of 241 bytes', { type: 'members', topic: digest, members: [{ ...member, addresses: [new Uint8Array(241)] }] }],
    ['a blob of more than 2^40 bytes', { ...copy, sizeBytes: 2 ** 40 + 1 }],
    ['a blob of half a byte', { ...copy, sizeBytes: 0.5, bits: new Uint8Array() }],
    ['bits of a complete copy', { ...copy, complete: true }],
    ['bits of a copy whose size is unknown', { ...copy, sizeBytes: 0 }],
    ['a complete copy whose size is unknown', { ...copy, sizeBytes: 0, complete: true, bits: new Uint8Array() }],
    ['too few bits', { ...copy, bits: new Uint8Array(limits.bitfieldBytes - 1) }],
    ['spare bits', { ...copy, sizeBytes: 1, bits: Uint8Array.of(0xff) }],
    ['1,025 hashes', { type: 'hashes', digest, first: 0, hashes: [...hashes, hash] }],
    ['a hash of 31 bytes', { type: 'hashes', digest, first: 0, hashes: [hash.subarray(1)] }],
    ['hashes past the last piece', { type: 'hashes', digest, first: 65_535, hashes: [hash, hash] }],
    ['4,097 pieces', { type: 'have', digest, pieces: [...pieces, 0] }],
    ['piece 65,536', { type: 'have', digest, pieces: [65_536] }],
    ['piece -1', { type: 'have', digest, pieces: [-1] }],
    ['65 runs', { type: 'fetching', digest, runs: [...runs, { first: 0, count: 1 }] }],
    ['a run of no piece', { type: 'fetching', digest, runs: [{ first: 0, count: 0 }] }],
    ['a run past the last piece', { type: 'fetching', digest, runs: [{ first: 1, count: 65_536 }] }],
    ['a request of piece 65,536', { type: 'request', digest, piece: 65_536 }],
    ['a piece of no byte', { type: 'piece', sizeBytes: 0 }],
    ['a piece of more than 16 MiB', { type: 'piece', sizeBytes: 16 * 1024 * 1024 + 1 }],
    ['a wait of more than a minute', { type: 'busy', retryAfterMs: 60_001 }],
    ['a wait of half a millisecond', { type: 'busy', retryAfterMs: 0.5 }],
  ]
  for (const [name, message] of illegal) {
    test(`${name} cannot be sent`, () => {
      assert.throws(() => encodeFrame(message), RangeError)
    })
  }

  const overfull: [name: string, code: number, itemBytes: number, count: number][] = [
    ['1,025 hashes', 0x05, 32, 1025],
    ['4,097 pieces', 0x06, 1, 4097],
    ['60,000 pieces', 0x06, 1, 60_000],
    ['30,000 members without id and address', 0x03, 2, 30_000],
    ['30,000 runs', 0x07, 2, 30_000],
  ]
  for (const [name, code, itemBytes, count] of overfull) {
    test(`${name}, all there, are refused`, () => {
      const payload = new ByteWriter(limits.frameBytes)
      payload.digest(digest)
      if (code === 0x05) payload.varint(0)
      payload.varint(count)
      payload.fixed(new Uint8Array(itemBytes * count), itemBytes * count)
      assert.throws(() => decodePayload(allMessages, code, payload.finish()), violated)
    })
  }
})

function split(frame: Uint8Array): { code: number; payload: Uint8Array } {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  assert.equal(view.getUint32(0) & 0xffffff, frame.byteLength - 4)
  return { code: view.getUint8(0), payload: frame.subarray(4) }
}

function readOrRefuse(code: number, payload: Uint8Array): Message | undefined {
  try {
    return decodePayload(allMessages, code, payload)
  } catch (error) {
    assert.ok(error instanceof PeerError && error.code === 'ERR_PEER_PROTOCOL', String(error))
    return undefined
  }
}

/** Bytes and list items in a message; each came from at least a byte of its payload. */
function sizeOf(value: unknown): number {
  if (value instanceof Uint8Array) return value.byteLength
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + Math.max(1, sizeOf(item)), 0)
  if (typeof value !== 'object' || value === null) return 0
  return Object.values(value).reduce((sum: number, field) => sum + sizeOf(field), 0)
}
