import { maxBlobBytes } from '../core/descriptor.ts'
import { hasFlag } from './flags.ts'
import { memberLayout } from './member-layouts.ts'
import type { Layout, MessageLayout } from './message-layout.ts'
import type { HoldOff, LeaseAsk, LeaseGrant, LeaseMessage } from './messages.ts'
import { limits } from './protocol.ts'
import { runsLayout } from './run-layout.ts'

const takeoverFlag = 1

export const leaseAskLayout: MessageLayout<LeaseAsk> = {
  code: 0x0a,
  write(to, message) {
    to.digest(message.digest)
    to.varint(message.sizeBytes, maxBlobBytes)
    to.bytes(message.holder, limits.peerIdBytes)
    to.varint(message.takeover ? takeoverFlag : 0)
    to.varint(message.hops, limits.leaseHops)
    to.text(message.region, limits.locationBytes)
    to.varint(message.number)
    to.varint(message.rateBytesPerSecond, limits.leaseRateBytesPerSecond)
    to.varint(message.count, limits.leasePieces)
    runsLayout.write(to, message.held)
    runsLayout.write(to, message.wanted)
  },
  read: (from) => ({
    type: 'lease-ask',
    digest: from.digest(),
    sizeBytes: from.varint(maxBlobBytes),
    holder: from.bytes(limits.peerIdBytes),
    takeover: hasFlag(from.varint(), takeoverFlag),
    hops: from.varint(limits.leaseHops),
    region: from.text(limits.locationBytes),
    number: from.varint(),
    rateBytesPerSecond: from.varint(limits.leaseRateBytesPerSecond),
    count: from.varint(limits.leasePieces),
    held: runsLayout.read(from),
    wanted: runsLayout.read(from),
  }),
}

const grantLayout: Layout<LeaseGrant> = {
  write(to, { source, runs }) {
    to.list(source ? [source] : [], 1, (member) => memberLayout.write(to, member))
    runsLayout.write(to, runs)
  },
  read(from) {
    const [source] = from.list(1, memberLayout.read)
    return { source, runs: runsLayout.read(from) }
  },
}

export const leaseLayout: MessageLayout<LeaseMessage> = {
  code: 0x0b,
  write(to, message) {
    to.digest(message.digest)
    to.bytes(message.holder, limits.peerIdBytes)
    to.varint(message.number)
    to.varint(message.validMs, limits.leaseMs)
    to.varint(message.retryAfterMs, limits.leaseMs)
    to.list(message.grants, limits.grantsPerLease, (grant) => grantLayout.write(to, grant))
  },
  read: (from) => ({
    type: 'lease',
    digest: from.digest(),
    holder: from.bytes(limits.peerIdBytes),
    number: from.varint(),
    validMs: from.varint(limits.leaseMs),
    retryAfterMs: from.varint(limits.leaseMs),
    grants: from.list(limits.grantsPerLease, grantLayout.read),
  }),
}

export const holdOffLayout: MessageLayout<HoldOff> = {
  code: 0x0c,
  write(to, { topic, durationMs }) {
    to.digest(topic)
    to.varint(durationMs, limits.holdOffMs)
  },
  read: (from) => ({ type: 'hold-off', topic: from.digest(), durationMs: from.varint(limits.holdOffMs) }),
}
