import fc from 'fast-check'
import { digestFromBytes, type Digest } from '../../src/core/digest.ts'
import { maxPieceBytes, maxPieceCount, pieceLayout } from '../../src/core/piece-layout.ts'
import type {
  BitfieldMessage,
  ClaimMessage,
  ControlMessage,
  LeaseGrant,
  Location,
  Member,
  Message,
  PieceRun,
  Reply,
  Request,
} from '../../src/wire/messages.ts'
import { limits } from '../../src/wire/protocol.ts'

type Made<M> = fc.Arbitrary<M>

/** Records with the prototype of all objects, as the decoder makes them. */
function record<T>(fields: { [K in keyof T]: Made<T[K]> }): Made<T> {
  return fc.record(fields, { noNullPrototype: true })
}

export function bytes(maxLength: number, minLength = 0): Made<Uint8Array> {
  return fc.uint8Array({ minLength, maxLength })
}

export const digest: Made<Digest> = bytes(32, 32).map(digestFromBytes)

const piece = fc.oneof(fc.nat(300), fc.nat(maxPieceCount - 1))
const place = fc
  .string({ unit: 'grapheme', maxLength: 16 })
  .filter((text) => new TextEncoder().encode(text).byteLength <= limits.locationBytes)

const run: Made<PieceRun> = piece.chain((first) =>
  fc.integer({ min: 1, max: maxPieceCount - first }).map((count) => ({ first, count })),
)

const runs = fc.array(run, { maxLength: limits.runs })

const location: Made<Location> = record({ region: place, zone: place, rack: place })
const member: Made<Member> = record({
  peerId: bytes(limits.peerIdBytes),
  supernode: fc.boolean(),
  location,
  addresses: fc.array(bytes(limits.addressBytes), { maxLength: limits.addressesPerMember }),
})

const grant: Made<LeaseGrant> = record({ source: fc.option(member, { nil: undefined }), runs })
const leaseNumber = fc.oneof(fc.nat(300), fc.maxSafeNat())

const knownSize = fc.oneof(fc.integer({ min: 1, max: 2 ** 26 }), fc.integer({ min: 1, max: 2 ** 40 }))

const copyOfKnownSize = knownSize.chain((sizeBytes) => {
  const { pieceCount } = pieceLayout(sizeBytes)
  const length = Math.ceil(pieceCount / 8)
  const bits = bytes(length, length).map((made) => withoutSpareBits(made, pieceCount))
  return fc.oneof(
    record({ sizeBytes: fc.constant(sizeBytes), complete: fc.boolean(), bits: fc.constant(new Uint8Array()) }),
    record({ sizeBytes: fc.constant(sizeBytes), complete: fc.constant(false), bits }),
  )
})
const copyOfUnknownSize = fc.constant({ sizeBytes: 0, complete: false, bits: new Uint8Array() })

const bitfield: Made<BitfieldMessage> = fc
  .tuple(digest, fc.oneof({ arbitrary: copyOfKnownSize, weight: 4 }, copyOfUnknownSize), fc.boolean(), fc.boolean())
  .map(([digest, copy, wants, isPrivate]) => ({ type: 'bitfield', digest, ...copy, wants, private: isPrivate }))

const claim: Made<ClaimMessage> = knownSize.chain((sizeBytes) => {
  const { pieceCount } = pieceLayout(sizeBytes)
  return fc.nat(pieceCount - 1).chain((first) =>
    record<ClaimMessage>({
      type: fc.constant('claim' as const),
      digest,
      sizeBytes: fc.constant(sizeBytes),
      first: fc.constant(first),
      issuer: bytes(limits.peerIdBytes),
      signature: bytes(limits.signatureBytes, limits.signatureBytes),
      hashes: fc.integer({ min: 1, max: Math.min(40, pieceCount - first) }).chain((count) => bytes(32 * count, 32 * count)),
    }),
  )
})

/** Each message that travels on a control stream. */
export const controlMessagesByType: { [Type in ControlMessage['type']]: Made<Extract<ControlMessage, { type: Type }>> } = {
  hello: record({
    type: fc.constant('hello' as const),
    version: fc.oneof(fc.constant(1), fc.maxSafeNat()),
    supernode: fc.boolean(),
    location,
  }),
  join: record({ type: fc.constant('join' as const), topic: digest, asks: fc.boolean() }),
  members: record({
    type: fc.constant('members' as const),
    topic: digest,
    busy: fc.boolean(),
    guest: fc.boolean(),
    members: fc.array(member, { maxLength: limits.members }),
    nearer: fc.array(member, { maxLength: limits.nearer }),
  }),
  bitfield,
  claim,
  have: record({
    type: fc.constant('have' as const),
    digest,
    pieces: fc.array(piece, { maxLength: 200 }),
  }),
  fresh: record({
    type: fc.constant('fresh' as const),
    digest,
    pieces: fc.array(piece, { maxLength: 64 }),
  }),
  fetching: record({
    type: fc.constant('fetching' as const),
    digest,
    runs,
  }),
  forget: record({ type: fc.constant('forget' as const), digest }),
  inline: record({ type: fc.constant('inline' as const), digest, bytes: fc.oneof(bytes(40, 1), bytes(limits.inlineBytes, 1)) }),
  'lease-ask': record({
    type: fc.constant('lease-ask' as const),
    digest,
    sizeBytes: fc.oneof(fc.constant(0), knownSize),
    holder: bytes(limits.peerIdBytes),
    takeover: fc.boolean(),
    hops: fc.nat(limits.leaseHops),
    region: place,
    number: leaseNumber,
    rateBytesPerSecond: fc.oneof(fc.nat(300), fc.integer({ min: 0, max: limits.leaseRateBytesPerSecond })),
    count: fc.nat(limits.leasePieces),
    held: runs,
    wanted: runs,
  }),
  lease: record({
    type: fc.constant('lease' as const),
    digest,
    holder: bytes(limits.peerIdBytes),
    number: leaseNumber,
    validMs: fc.nat(limits.leaseMs),
    retryAfterMs: fc.nat(limits.leaseMs),
    grants: fc.array(grant, { maxLength: limits.grantsPerLease }),
  }),
  'hold-off': record({ type: fc.constant('hold-off' as const), topic: digest, durationMs: fc.nat(limits.holdOffMs) }),
  grant: record({ type: fc.constant('grant' as const), grant: bytes(limits.grantBytes, 1) }),
}

export const controlMessage: Made<ControlMessage> = fc.oneof<Made<ControlMessage>[]>(...Object.values(controlMessagesByType))

export const request: Made<Request> = record({
  type: fc.constant('request' as const),
  digest,
  piece,
})

/** Each answer on a data stream. */
export const repliesByType: { [Type in Reply['type']]: Made<Extract<Reply, { type: Type }>> } = {
  piece: record({ type: fc.constant('piece' as const), sizeBytes: fc.integer({ min: 1, max: maxPieceBytes }) }),
  busy: record({ type: fc.constant('busy' as const), retryAfterMs: fc.nat(limits.busyMs) }),
  absent: fc.constant({ type: 'absent' as const }),
}

export const reply: Made<Reply> = fc.oneof<Made<Reply>[]>(...Object.values(repliesByType))

export const anyMessage: Made<Message> = fc.oneof<Made<Message>[]>(controlMessage, request, reply)

/** Lengths at which a stream is cut into chunks, over and over. */
export const cuts: Made<number[]> = fc.array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 5000 })), {
  minLength: 1,
  maxLength: 12,
})

/** The bytes in chunks whose lengths repeat `lengths`. */
export function* cut(whole: Uint8Array, lengths: readonly number[]): Generator<Uint8Array> {
  let offset = 0
  for (let turn = 0; offset < whole.byteLength; turn++) {
    const length = lengths[turn % lengths.length] ?? 1
    yield whole.subarray(offset, offset + length)
    offset += length
  }
}

function withoutSpareBits(bits: Uint8Array, pieceCount: number): Uint8Array {
  const spareBits = bits.byteLength * 8 - pieceCount
  const last = bits.byteLength - 1
  bits[last] = (bits[last] ?? 0) & (0xff << spareBits)
  return bits
}
