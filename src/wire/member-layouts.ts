import { hasFlag } from './flags.ts'
import type { Layout, MessageLayout } from './message-layout.ts'
import type { Join, Location, Member, Members } from './messages.ts'
import { limits } from './protocol.ts'

const asksFlag = 1
const busyFlag = 1
const guestFlag = 2
const supernodeFlag = 1

export const locationLayout: Layout<Location> = {
  write(to, { region, zone, rack }) {
    to.text(region, limits.locationBytes)
    to.text(zone, limits.locationBytes)
    to.text(rack, limits.locationBytes)
  },
  read(from) {
    const region = from.text(limits.locationBytes)
    const zone = from.text(limits.locationBytes)
    const rack = from.text(limits.locationBytes)
    return { region, zone, rack }
  },
}

export const memberLayout: Layout<Member> = {
  write(to, { peerId, supernode, location, addresses }) {
    to.bytes(peerId, limits.peerIdBytes)
    to.varint(supernode ? supernodeFlag : 0)
    locationLayout.write(to, location)
    to.list(addresses, limits.addressesPerMember, (address) => to.bytes(address, limits.addressBytes))
  },
  read(from) {
    const peerId = from.bytes(limits.peerIdBytes)
    const supernode = hasFlag(from.varint(), supernodeFlag)
    const location = locationLayout.read(from)
    const addresses = from.list(limits.addressesPerMember, () => from.bytes(limits.addressBytes))
    return { peerId, supernode, location, addresses }
  },
}

export const joinLayout: MessageLayout<Join> = {
  code: 0x02,
  write(to, { topic, asks }) {
    to.digest(topic)
    to.varint(asks ? asksFlag : 0)
  },
  read(from) {
    const topic = from.digest()
    return { type: 'join', topic, asks: hasFlag(from.varint(), asksFlag) }
  },
}

export const membersLayout: MessageLayout<Members> = {
  code: 0x03,
  write(to, { topic, busy, guest, members, nearer }) {
    to.digest(topic)
    to.varint((busy ? busyFlag : 0) | (guest ? guestFlag : 0))
    to.list(members, limits.members, (member) => memberLayout.write(to, member))
    to.list(nearer, limits.nearer, (member) => memberLayout.write(to, member))
  },
  read(from) {
    const topic = from.digest()
    const flags = from.varint()
    const members = from.list(limits.members, memberLayout.read)
    const nearer = from.list(limits.nearer, memberLayout.read)
    const [busy, guest] = [hasFlag(flags, busyFlag), hasFlag(flags, guestFlag)]
    return { type: 'members', topic, busy, guest, members, nearer }
  },
}
