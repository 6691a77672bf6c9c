import { Bitfield } from '../core/bitfield.ts'
import { maxBlobBytes } from '../core/descriptor.ts'
import { hashBytes } from '../core/digest.ts'
import { maxPieceCount, pieceLayout } from '../core/piece-layout.ts'
import type { MessageLayout } from './message-layout.ts'
import type {
  BitfieldMessage,
  Fetching,
  Forget,
  Hashes,
  Have,
  Hello,
  Join,
  Members,
} from './messages.ts'
import { limits } from './protocol.ts'
import { violation } from './violation.ts'

const lastPiece = maxPieceCount - 1

const supernodeFlag = 1
const wantsFlag = 1
const completeFlag = 2
const privateFlag = 4

export const helloLayout: MessageLayout<Hello> = {
  code: 0x01,
  write(to, { version, supernode, location }) {
    to.varint(version)
    to.varint(supernode ? supernodeFlag : 0)
    to.text(location.region, limits.locationBytes)
    to.text(location.zone, limits.locationBytes)
    to.text(location.rack, limits.locationBytes)
  },
  read(from) {
    const version = from.varint()
    const flags = from.varint()
    const region = from.text(limits.locationBytes)
    const zone = from.text(limits.locationBytes)
    const rack = from.text(limits.locationBytes)
    return { type: 'hello', version, supernode: hasFlag(flags, supernodeFlag), location: { region, zone, rack } }
  },
}

export const joinLayout: MessageLayout<Join> = {
  code: 0x02,
  write: (to, { topic }) => to.digest(topic),
  read: (from) => ({ type: 'join', topic: from.digest() }),
}

export const membersLayout: MessageLayout<Members> = {
  code: 0x03,
  write(to, { topic, members }) {
    to.digest(topic)
    to.list(members, limits.members, ({ peerId, addresses }) => {
      to.bytes(peerId, limits.peerIdBytes)
      to.list(addresses, limits.addressesPerMember, (address) => to.bytes(address, limits.addressBytes))
    })
  },
  read(from) {
    const topic = from.digest()
    const members = from.list(limits.members, () => ({
      peerId: from.bytes(limits.peerIdBytes),
      addresses: from.list(limits.addressesPerMember, () => from.bytes(limits.addressBytes)),
    }))
    return { type: 'members', topic, members }
  },
}

export const bitfieldLayout: MessageLayout<BitfieldMessage> = {
  code: 0x04,
  write(to, message) {
    const fault = faultOf(message)
    if (fault) throw new RangeError(`cannot send ${fault}`)
    to.digest(message.digest)
    to.varint(message.sizeBytes, maxBlobBytes)
    to.varint(
      (message.wants ? wantsFlag : 0) |
        (message.complete ? completeFlag : 0) |
        (message.private ? privateFlag : 0),
    )
    to.bytes(message.bits, limits.bitfieldBytes)
  },
  read(from) {
    const digest = from.digest()
    const sizeBytes = from.varint(maxBlobBytes)
    const flags = from.varint()
    const message: BitfieldMessage = {
      type: 'bitfield',
      digest,
      sizeBytes,
      wants: hasFlag(flags, wantsFlag),
      complete: hasFlag(flags, completeFlag),
      private: hasFlag(flags, privateFlag),
      bits: from.bytes(limits.bitfieldBytes),
    }
    const fault = faultOf(message)
    if (fault) throw violation(fault)
    return message
  },
}

export const hashesLayout: MessageLayout<Hashes> = {
  code: 0x05,
  write(to, { digest, first, hashes }) {
    to.digest(digest)
    to.varint(first, lastPiece)
    to.list(hashes, mostHashes(first), (hash) => to.fixed(hash, hashBytes))
  },
  read(from) {
    const digest = from.digest()
    const first = from.varint(lastPiece)
    const hashes = from.list(mostHashes(first), () => from.fixed(hashBytes))
    return { type: 'hashes', digest, first, hashes }
  },
}

export const haveLayout: MessageLayout<Have> = {
  code: 0x06,
  write(to, { digest, pieces }) {
    to.digest(digest)
    to.list(pieces, limits.piecesPerHave, (piece) => to.varint(piece, lastPiece))
  },
  read(from) {
    const digest = from.digest()
    return { type: 'have', digest, pieces: from.list(limits.piecesPerHave, () => from.varint(lastPiece)) }
  },
}

export const fetchingLayout: MessageLayout<Fetching> = {
  code: 0x07,
  write(to, { digest, runs }) {
    to.digest(digest)
    to.list(runs, limits.runsPerFetching, ({ first, count }) => {
      to.varint(first, lastPiece)
      to.varint(count, maxPieceCount - first, 1)
    })
  },
  read(from) {
    const digest = from.digest()
    const runs = from.list(limits.runsPerFetching, () => {
      const first = from.varint(lastPiece)
      return { first, count: from.varint(maxPieceCount - first, 1) }
    })
    return { type: 'fetching', digest, runs }
  },
}

export const forgetLayout: MessageLayout<Forget> = {
  code: 0x08,
  write: (to, { digest }) => to.digest(digest),
  read: (from) => ({ type: 'forget', digest: from.digest() }),
}

/** Bits above 2^32 are not lost to `&`: it takes the lowest 32, and no flag lies higher. */
function hasFlag(flags: number, flag: number): boolean {
  return (flags & flag) !== 0
}

/** Hashes stop at the last piece that a blob can have. */
function mostHashes(first: number): number {
  return Math.min(limits.hashesPerMessage, maxPieceCount - first)
}

/** What is wrong between the fields of a bitfield; each for itself is within its limits. */
function faultOf({ sizeBytes, complete, bits }: BitfieldMessage): string | undefined {
  if (complete && sizeBytes === 0) return 'a complete copy without a size'
  if (bits.byteLength === 0) return undefined
  if (complete) return 'bits of a complete copy'
  if (!Bitfield.fromBytes(bits, pieceLayout(sizeBytes).pieceCount)) {
    return `${bits.byteLength} bytes of bits that are not those of a blob of ${sizeBytes} bytes`
  }
  return undefined
}
