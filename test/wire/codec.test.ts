import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { digestOf, digestToBytes } from '../../src/core/digest.ts'
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
import type {
  BitfieldMessage,
  LeaseAsk,
  LeaseGrant,
  LeaseMessage,
  Member,
  Members,
  Message,
  PieceRun, ClaimMessage } from '../../src/wire/messages.ts'
import { limits } from '../../src/wire/protocol.ts'
import { anyMessage, controlMessage } from './arbitrary-message.ts'
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

  test('flag bits that are not named change nothing', () => {
    const flagged = controlMessage.filter((message) => flagsOf(message) !== undefined)
    fc.assert(
      fc.property(flagged, fc.nat(), fc.integer({ min: 0, max: 45 }), (message, more, shift) => {
        const { code, payload } = split(encodeFrame(message))
        const { offset, namedBits } = flagsOf(message) ?? assert.fail()
        const unnamed = ((more * 2 ** shift) % 2 ** (53 - namedBits)) * 2 ** namedBits
        const flags = new ByteWriter(limits.varintBytes)
        flags.varint((payload[offset] ?? 0) + unnamed)
        const strange = Buffer.concat([payload.subarray(0, offset), flags.finish(), payload.subarray(offset + 1)])
        assert.deepEqual(decodePayload(allMessages, code, strange), message)
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
  const text = 'x'.repeat(limits.locationBytes)
  const member: Member = {
    peerId: new Uint8Array(limits.peerIdBytes),
    supernode: true,
    location: { region: text, zone: text, rack: text },
    addresses: Array<Uint8Array>(limits.addressesPerMember).fill(new Uint8Array(limits.addressBytes)),
  }
  const copy: BitfieldMessage = {
    type: 'bitfield',
    digest,
    sizeBytes: 2 ** 40,
    wants: true,
    complete: false,
    private: true,
    bits: new Uint8Array(limits.bitfieldBytes),
  }
  const members: Members = {
    type: 'members',
    topic: digest,
    busy: true, guest: false,
    members: Array<Member>(limits.members).fill(member),
    nearer: Array<Member>(limits.nearer).fill(member),
  }
  const claim: ClaimMessage = {
    type: 'claim',
    digest,
    sizeBytes: 2 ** 40,
    first: 65_536 - limits.hashesPerClaim,
    issuer: new Uint8Array(limits.peerIdBytes),
    signature: new Uint8Array(limits.signatureBytes),
    hashes: new Uint8Array(32 * limits.hashesPerClaim),
  }
  const pieces = Array<number>(limits.piecesPerHave).fill(65_535)
  const run: PieceRun = { first: 32_768, count: 32_768 }
  const runs = Array<PieceRun>(limits.runs).fill(run)
  const ask: LeaseAsk = {
    type: 'lease-ask',
    digest,
    sizeBytes: 2 ** 40,
    holder: new Uint8Array(limits.peerIdBytes),
    takeover: true,
    hops: 3,
    region: text,
    number: Number.MAX_SAFE_INTEGER,
    rateBytesPerSecond: 2 ** 40,
    count: 4096,
    held: runs,
    wanted: runs,
  }
  const grant: LeaseGrant = { source: member, runs }
  const lease: LeaseMessage = {
    type: 'lease',
    digest,
    holder: new Uint8Array(limits.peerIdBytes),
    number: Number.MAX_SAFE_INTEGER,
    validMs: 60_000,
    retryAfterMs: 60_000,
    grants: Array<LeaseGrant>(limits.grantsPerLease).fill(grant),
  }

  const fullest: Message[] = [
    { type: 'hello', version: Number.MAX_SAFE_INTEGER, supernode: true, location: { region: text, zone: text, rack: text } },
    { type: 'join', topic: digest, asks: true },
    members,
    copy,
    claim,
    { type: 'have', digest, pieces },
    { type: 'fetching', digest, runs },
    { type: 'inline', digest, bytes: new Uint8Array(limits.inlineBytes) },
    ask,
    lease,
    { type: 'hold-off', topic: digest, durationMs: 60_000 },
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
    ['17 members', { ...members, members: [...members.members, member] }],
    ['9 nearer members', { ...members, nearer: [...members.nearer, member] }],
    ['a peer id of 65 bytes', { ...members, members: [{ ...member, peerId: new Uint8Array(65) }] }],
    ['a zone of 65 bytes', { ...members, nearer: [{ ...member, location: { region: '', zone: `${text}x`, rack: '' } }] }],
    ['a rack of 65 bytes', { ...members, nearer: [{ ...member, location: { region: '', zone: '', rack: `${text}x` } }] }],
    ['9 addresses', { ...members, members: [{ ...member, addresses: [...member.addresses, hash] }] }],
    ['an address of 241 bytes', { ...members, members: [{ ...member, addresses: [new Uint8Array(241)] }] }],
    ['a blob of more than 2^40 bytes', { ...copy, sizeBytes: 2 ** 40 + 1 }],
    ['a blob of more than 2^40 bytes, none of it here', { ...copy, sizeBytes: 2 ** 40 + 1, bits: new Uint8Array() }],
    ['a blob of half a byte', { ...copy, sizeBytes: 0.5, bits: new Uint8Array() }],
    ['bits of a complete copy', { ...copy, complete: true }],
    ['bits of a copy whose size is unknown', { ...copy, sizeBytes: 0 }],
    ['a complete copy whose size is unknown', { ...copy, sizeBytes: 0, complete: true, bits: new Uint8Array() }],
    ['too few bits', { ...copy, bits: new Uint8Array(limits.bitfieldBytes - 1) }],
    ['spare bits', { ...copy, sizeBytes: 1, bits: Uint8Array.of(0xff) }],
    ['a claim with 1,025 hashes', { ...claim, first: 0, hashes: new Uint8Array(32 * 1025) }],
    ['a claim with no hash', { ...claim, hashes: new Uint8Array(0) }],
    ['a claim with half a hash', { ...claim, hashes: new Uint8Array(48) }],
    ['a claim from piece 65,536 on', { ...claim, first: 65_536, hashes: new Uint8Array(32) }],
    ['a claim past the last piece', { ...claim, first: 65_535, hashes: new Uint8Array(64) }],
    ['a claim past the last piece of a small blob', { ...claim, sizeBytes: 2 ** 21, first: 7, hashes: new Uint8Array(64) }],
    ['a claim of a blob of unknown size', { ...claim, sizeBytes: 0, first: 0, hashes: new Uint8Array(32) }],
    ['a claim of an issuer with an id of 65 bytes', { ...claim, issuer: new Uint8Array(65) }],
    ['a claim with a signature of 63 bytes', { ...claim, signature: new Uint8Array(63) }],
    ['4,097 pieces', { type: 'have', digest, pieces: [...pieces, 0] }],
    ['piece 65,536', { type: 'have', digest, pieces: [65_536] }],
    ['piece -1', { type: 'have', digest, pieces: [-1] }],
    ['65 runs', { type: 'fetching', digest, runs: [...runs, { first: 0, count: 1 }] }],
    ['a run of no piece', { type: 'fetching', digest, runs: [{ first: 0, count: 0 }] }],
    ['a run past the last piece', { type: 'fetching', digest, runs: [{ first: 1, count: 65_536 }] }],
    ['a blob of no byte', { type: 'inline', digest, bytes: new Uint8Array() }],
    ['a small blob of more than 16 KiB', { type: 'inline', digest, bytes: new Uint8Array(16_385) }],
    ['an ask about a blob of more than 2^40 bytes', { ...ask, sizeBytes: 2 ** 40 + 1 }],
    ['an ask for a holder with an id of 65 bytes', { ...ask, holder: new Uint8Array(65) }],
    ['an ask that went four hops', { ...ask, hops: 4 }],
    ['an ask from a region of 65 bytes', { ...ask, region: `${text}x` }],
    ['an ask about lease -1', { ...ask, number: -1 }],
    ['an ask about lease 2^53', { ...ask, number: 2 ** 53 }],
    ['an ask at a rate of more than 2^40', { ...ask, rateBytesPerSecond: 2 ** 40 + 1 }],
    ['an ask at a rate with a fraction', { ...ask, rateBytesPerSecond: 0.5 }],
    ['an ask for 4,097 pieces', { ...ask, count: 4097 }],
    ['an ask with 65 runs held', { ...ask, held: [...runs, run] }],
    ['an ask with 65 runs wanted', { ...ask, wanted: [...runs, run] }],
    ['an ask for a run of no piece', { ...ask, wanted: [{ first: 0, count: 0 }] }],
    ['a lease for a holder with an id of 65 bytes', { ...lease, holder: new Uint8Array(65) }],
    ['lease 2^53', { ...lease, number: 2 ** 53 }],
    ['a lease for more than a minute', { ...lease, validMs: 60_001 }],
    ['a lease to ask for again after more than a minute', { ...lease, retryAfterMs: 60_001 }],
    ['a lease with five grants', { ...lease, grants: [...lease.grants, grant] }],
    ['a grant of 65 runs', { ...lease, grants: [{ source: undefined, runs: [...runs, run] }] }],
    ['a grant whose source has an id of 65 bytes', { ...lease, grants: [{ source: { ...member, peerId: new Uint8Array(65) }, runs }] }],
    ['a hold-off of more than a minute', { type: 'hold-off', topic: digest, durationMs: 60_001 }],
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

  const overfull: [name: string, code: number, zerosBefore: number, itemBytes: number, count: number][] = [
    ['4,097 pieces', 0x06, 0, 1, 4097],
    ['60,000 pieces', 0x06, 0, 1, 60_000],
    ['10,000 members of whom nothing is known', 0x03, 1, 6, 10_000],
    ['16,385 bytes of a small blob', 0x09, 0, 1, 16_385],
    ['30,000 grants of nothing', 0x0b, 4, 2, 30_000],
    ['30,000 runs', 0x07, 0, 2, 30_000],
    ['30,000 runs held', 0x0a, 8, 2, 30_000],
  ]
  for (const [name, code, zerosBefore, itemBytes, count] of overfull) {
    test(`${name}, all there, are refused`, () => {
      const payload = new ByteWriter(limits.frameBytes)
      payload.digest(digest)
      payload.fixed(new Uint8Array(zerosBefore), zerosBefore)
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

/** Where in its payload a message has its flags, in one byte as they are sent, and how many of them have a name. */
function flagsOf(message: Message): { offset: number; namedBits: number } | undefined {
  switch (message.type) {
    case 'hello':
      return { offset: varintBytes(message.version), namedBits: 1 }
    case 'join':
      return { offset: hash.byteLength, namedBits: 1 }
    case 'members':
      return { offset: hash.byteLength, namedBits: 2 }
    case 'bitfield':
      return { offset: hash.byteLength + varintBytes(message.sizeBytes), namedBits: 3 }
    case 'lease-ask':
      return {
        offset: hash.byteLength + varintBytes(message.sizeBytes) + 1 + message.holder.byteLength,
        namedBits: 1,
      }
    default:
      return undefined
  }
}

function varintBytes(value: number): number {
  return Math.max(1, Math.ceil(value.toString(2).length / 7))
}
