import { multiaddr } from '@multiformats/multiaddr'
import type { Clock } from '../core/clock.ts'
import type { Libp2pNode } from './libp2p-node.ts'
import type { Libp2pConnection, Libp2pMultiaddr } from './libp2p-types.ts'
import { unreachable } from './peer-errors.ts'

/** Where a node is. */
export interface DialTarget {
  /** As text. Without it, whoever answers at the addresses will do. */
  readonly peerId?: string | undefined
  /** Multiaddrs as text. May be empty when the peer id is known to libp2p already. */
  readonly addresses: readonly string[]
}

/** Time to connect, over all addresses together. libp2p has no limit of its own once it is given a signal. */
const connectMs = 10_000

/**
 * Connects to a node, or finds an open connection to it.
 *
 * @throws {@link PeerError} `ERR_PEER_UNREACHABLE`
 * @throws `signal.reason` when aborted
 */
export async function dialNode(
  node: Libp2pNode,
  target: DialTarget,
  options: { clock: Clock; signal: AbortSignal },
): Promise<Libp2pConnection> {
  const { clock, signal } = options
  const deadline = new AbortController()
  const cancelTimer = clock.after(connectMs, () =>
    deadline.abort(unreachable(`no answer within ${connectMs / 1000} s`)),
  )
  try {
    const either = AbortSignal.any([signal, deadline.signal])
    return await node.dial(multiaddrsOf(target), { signal: either })
  } catch (cause) {
    signal.throwIfAborted()
    const who = [target.peerId ?? 'a node', ...target.addresses].join(' ')
    const why = reasonOf(deadline.signal.aborted ? deadline.signal.reason : cause)
    throw unreachable(`${who} could not be reached: ${why}`, cause)
  } finally {
    cancelTimer()
  }
}

function multiaddrsOf({ peerId, addresses }: DialTarget): Libp2pMultiaddr[] {
  if (peerId === undefined) return addresses.map((address) => multiaddr(address))
  const suffix = `/p2p/${peerId}`
  if (addresses.length === 0) return [multiaddr(suffix)]
  return addresses
    .map((address) => (address.endsWith(suffix) ? address : `${address}${suffix}`))
    .map((address) => multiaddr(address))
}

/** libp2p tries all addresses and then says no more than that all failed. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}

/** What the system says when nobody listens at an address, or nothing comes back from there. */
const nobodyThere: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'EADDRNOTAVAIL'])

/** Whether a dial failed because there is no node; other failures are those of a node that took us in not, or not in time. */
export function isNobodyThere(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(isNobodyThere)
  if (!(error instanceof Error)) return false
  if ('code' in error && nobodyThere.has(error.code)) return true
  return error.cause !== undefined && isNobodyThere(error.cause)
}
