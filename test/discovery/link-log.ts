import type { DiscoveryContext, KnownPeer } from '../../src/discovery/discovery.ts'
import { seededRandom } from '../../src/core/random.ts'
import { fakeClock, type FakeClock } from '../../src/testing/fake-clock.ts'
import { contextOf } from './kad-network.ts'
import { ScriptedRouter } from './scripted-router.ts'

/** A context of a node that is offline, with a swarm that notes for which peers a link is asked. */
export class LinkLog {
  readonly clock: FakeClock = fakeClock()
  readonly asked: { readonly peer: KnownPeer; readonly foundBy: string; readonly atMs: number }[] = []
  /** The swarm's answer. */
  onConnect: () => Promise<boolean> = async () => false
  readonly context: DiscoveryContext

  private constructor(context: DiscoveryContext) {
    this.context = { ...context, clock: this.clock, connect: (peer, foundBy) => this.#connect(peer, foundBy) }
  }

  static async open(seed?: number): Promise<LinkLog> {
    return new LinkLog(contextOf(await new ScriptedRouter().node(), { random: seededRandom(seed ?? 1) }))
  }

  #connect(peer: KnownPeer, foundBy: string): Promise<boolean> {
    this.asked.push({ peer, foundBy, atMs: this.clock.monotonicMs() })
    return this.onConnect()
  }

  /** The first address of each peer that was asked for, and empties the log. */
  take(): string[] {
    return this.asked.splice(0).map(({ peer }) => peer.addresses[0] ?? '')
  }
}
