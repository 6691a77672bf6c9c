import type { InboundGate } from './inbound-gate.ts'
import type { ConnectionGater } from './libp2p-types.ts'
import { hostOf } from './multiaddr-host.ts'

/** Whom a node has nothing to do with. */
export interface Refusals {
  /** By peer id. */
  isBanned(peerId: string): boolean
  /** By address: whether too many of its prefix are banned. */
  isCooling(address: string): boolean
}

/** All that decides who may connect, as libp2p asks for it. */
export function connectionGater(inbound: InboundGate, refusals: Refusals | undefined): ConnectionGater {
  const isBanned = (peerId: { toString(): string }): boolean => refusals?.isBanned(peerId.toString()) ?? false
  return {
    denyInboundConnection: ({ remoteAddr }) => {
      const address = hostOf(remoteAddr)
      return inbound.refuses(address) || (refusals?.isCooling(address) ?? false)
    },
    denyInboundEncryptedConnection: isBanned,
    denyDialPeer: isBanned,
    // Whoever answers at an address is known after the handshake only.
    denyOutboundEncryptedConnection: isBanned,
    // Nodes of a fleet meet on private addresses, which gaters made for browsers refuse to dial.
    denyDialMultiaddr: (address) => refusals?.isCooling(hostOf(address)) ?? false,
  }
}
