import { Bitfield } from '../core/bitfield.ts'
import { maxBlobBytes } from '../core/descriptor.ts'
import { hashBytes } from '../core/digest.ts'
import { maxPieceCount, pieceLayout } from '../core/piece-layout.ts'
import { hasFlag } from './flags.ts'
import { locationLayout } from './member-layouts.ts'
import type { MessageLayout } from './message-layout.ts'
import type { BitfieldMessage, ClaimMessage, Fetching, Forget, Fresh, GrantMessage, Have, Hello, Inline } from './messages.ts'
import { limits } from './protocol.ts'
import { runsLayout } from './run-layout.ts'
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
    locationLayout.write(to, location)
  },
  read(from) {
    const version = from.varint()
    const supernode = hasFlag(from.varint(), supernodeFlag)
    return { type: 'hello', version, supernode, location: locationLayout.read(from) }
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

export const claimLayout: MessageLayout<ClaimMessage> = {
  code: 0x05,
  write(to, { digest, sizeBytes, first, issuer, signature, hashes }) {
    const { pieceCount } = pieceLayout(sizeBytes)
    to.digest(digest)
    to.varint(sizeBytes, maxBlobBytes, 1)
    to.varint(first, pieceCount - 1)
    to.bytes(issuer, limits.peerIdBytes)
    to.fixed(signature, limits.signatureBytes)
    to.varint(hashes.byteLength / hashBytes, mostHashes(first, pieceCount), 1)
    to.fixed(hashes, hashes.byteLength)
  },
  read(from) {
    const digest = from.digest()
    const sizeBytes = from.varint(maxBlobBytes, 1)
    const { pieceCount } = pieceLayout(sizeBytes)
    const first = from.varint(pieceCount - 1)
    const issuer = from.bytes(limits.peerIdBytes)
    const signature = from.fixed(limits.signatureBytes)
    const hashes = from.fixed(from.varint(mostHashes(first, pieceCount), 1) * hashBytes)
    return { type: 'claim', digest, sizeBytes, first, issuer, signature, hashes }
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

export const freshLayout: MessageLayout<Fresh> = {
  code: 0x0d,
  write(to, { digest, pieces }) {
    to.digest(digest)
    to.list(pieces, limits.piecesPerFresh, (piece) => to.varint(piece, lastPiece))
  },
  read(from) {
    const digest = from.digest()
    return { type: 'fresh', digest, pieces: from.list(limits.piecesPerFresh, () => from.varint(lastPiece)) }
  },
}

export const fetchingLayout: MessageLayout<Fetching> = {
  code: 0x07,
  write(to, { digest, runs }) {
    to.digest(digest)
    runsLayout.write(to, runs)
  },
  read: (from) => ({ type: 'fetching', digest: from.digest(), runs: runsLayout.read(from) }),
}

export const forgetLayout: MessageLayout<Forget> = {
  code: 0x08,
  write: (to, { digest }) => to.digest(digest),
  read: (from) => ({ type: 'forget', digest: from.digest() }),
}

export const inlineLayout: MessageLayout<Inline> = {
  code: 0x09,
  write(to, { digest, bytes }) {
    to.digest(digest)
    to.bytes(bytes, limits.inlineBytes, 1)
  },
  read: (from) => ({ type: 'inline', digest: from.digest(), bytes: from.bytes(limits.inlineBytes, 1) }),
}

export const grantLayout: MessageLayout<GrantMessage> = {
  code: 0x0f,
  write: (to, { grant }) => to.bytes(grant, limits.grantBytes, 1),
  read: (from) => ({ type: 'grant', grant: from.bytes(limits.grantBytes, 1) }),
}

/** Hashes stop at the last piece of the blob. */
function mostHashes(first: number, pieceCount: number): number {
  return Math.min(limits.hashesPerClaim, pieceCount - first)
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
