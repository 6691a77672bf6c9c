import { networkInterfaces } from 'node:os'
import type { Clock } from '../core/clock.ts'
import type { Libp2pNode } from './libp2p-node.ts'

/** Interfaces come and go seldom. */
const keptMs = 10_000

/** Where a node listens, and the addresses of its machine but for loopback. */
export interface OwnAddresses {
  readonly listening: readonly string[]
  readonly machine: readonly string[]
}

/** Tells a node's own addresses; they are looked up again after ten seconds. */
export function ownAddresses(node: () => Pick<Libp2pNode, 'getMultiaddrs'> | undefined, clock: Clock): () => OwnAddresses {
  let known: OwnAddresses = { listening: [], machine: [] }
  let untilMs = -Infinity
  return () => {
    const now = clock.monotonicMs()
    const listener = node()
    if (!listener) return known
    if (now < untilMs && known.listening.length > 0) return known
    untilMs = now + keptMs
    const interfaces = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
    known = {
      listening: listener.getMultiaddrs().map(String),
      machine: interfaces.filter(({ internal }) => !internal).map(({ address }) => address),
    }
    return known
  }
}
