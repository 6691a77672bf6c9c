import type { RankedPeer } from '../../src/engine/ranks.ts'
import type { LinkManager } from '../../src/swarm/link-manager.ts'
import type { LinkEntry } from '../../src/swarm/swarm-context.ts'
import type { ScriptedNode } from './scripted-link.ts'

/** Links as walks and topics use them, to nodes that a test names; those that it lets be reached can be. */
export interface ScriptedLinks {
  readonly manager: LinkManager
  /** Nodes that are known, the nearest first. */
  readonly known: RankedPeer[]
  /** Whom somebody wanted to be linked to, and the loads that were counted. */
  readonly dialled: string[]
  readonly reachable: Map<string, LinkEntry>
  /** What of `LinkManager` was called besides. */
  readonly calls: string[]
}

/** A node so far from the place of all zeros. */
export function rankAt(distance: number): RankedPeer {
  const place = new Uint8Array(32)
  place[0] = distance
  return { key: `node ${distance}`, place, supernode: false }
}

export function scriptedLinks(node: ScriptedNode, ...distances: readonly number[]): ScriptedLinks {
  const known = distances.map(rankAt)
  const dialled: string[] = []
  const calls: string[] = []
  const reachable = new Map(distances.map((distance) => [`node ${distance}`, node.link(distance).entry]))
  const manager = {
    self: { ...rankAt(255), location: { region: '', zone: '', rack: '' } },
    nearest: () => known,
    entryTo: () => undefined,
    connectTo: async (key: string) => {
      dialled.push(key)
      return reachable.get(key)
    },
    found: ({ peerId }: { peerId?: string }) => void calls.push(`found ${peerId}`),
    dialsDone: async (withinMs: number) => void calls.push(`dials done within ${withinMs}`),
    load: (change: number) => void calls.push(`load ${change}`),
    dismissGuests: () => {},
    dialReady: () => {},
  }
  return { manager: manager as unknown as LinkManager, known, dialled, reachable, calls }
}
