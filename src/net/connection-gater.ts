import type { Metrics } from '../metrics/metrics.ts'
import type { Arrival, InboundGate } from './inbound-gate.ts'
import type { ConnectionGater, Libp2pMultiaddr, RawConnection } from './libp2p-types.ts'
import { hostOf } from './multiaddr-host.ts'
import { overLimit } from './peer-errors.ts'

/** Whom a node has nothing to do with. */
export interface Refusals {
  /** By peer id. */
  isBanned(peerId: string): boolean
  /** By address: whether too many of its prefix are banned. */
  isCooling(address: string): boolean
}

/** What decides who may connect. */
export interface ConnectionGaterInit {
  readonly inbound: InboundGate
  readonly refusals: Refusals | undefined
  readonly metrics: Metrics
  /** Whether an address must not be dialled. */
  readonly mayNotDial: (address: Libp2pMultiaddr) => boolean
}

/** All that decides who may connect, as libp2p asks for it. */
export function connectionGater({ inbound, refusals, metrics, mayNotDial }: ConnectionGaterInit): ConnectionGater {
  const arrivals = new WeakMap<RawConnection, Arrival>()
  const refused = (reason: string): true => {
    metrics.add('damselfly_connections_refused_total', 1, { reason })
    return true
  }
  const isBanned = (peerId: { toString(): string }): boolean => refusals?.isBanned(peerId.toString()) ?? false
  return {
    denyInboundConnection(connection) {
      const address = hostOf(connection.remoteAddr)
      if (refusals?.isCooling(address)) return refused('banned')
      const arrival = { address, abort: () => connection.abort(overLimit('others are waiting to connect')) }
      const refusal = inbound.arrived(arrival)
      if (refusal !== undefined) return refused(refusal)
      arrivals.set(connection, arrival)
      connection.addEventListener('close', () => inbound.closed(arrival), { once: true })
      // It may be gone by now, and no event says so again.
      if (connection.status !== 'open') inbound.closed(arrival)
      return false
    },
    denyInboundEncryptedConnection: (peerId) => isBanned(peerId) && refused('banned'),
    denyInboundUpgradedConnection(_peerId, connection) {
      const arrival = arrivals.get(connection)
      if (arrival) inbound.upgraded(arrival)
      return false
    },
    denyDialPeer: isBanned,
    // Whoever answers at an address is known after the handshake only.
    denyOutboundEncryptedConnection: isBanned,
    denyDialMultiaddr(address) {
      if (!mayNotDial(address) && !refusals?.isCooling(hostOf(address))) return false
      metrics.add('damselfly_dials_refused_total', 1)
      return true
    },
  }
}

/** Refuses everybody who is not on a list, and of those on it whom others refuse. */
export function onlyPeers(allowed: ReadonlySet<string>, refusals: Refusals): Refusals {
  return {
    isBanned: (peerId) => !allowed.has(peerId) || refusals.isBanned(peerId),
    isCooling: (address) => refusals.isCooling(address),
  }
}
