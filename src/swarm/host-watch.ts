import type { Digest } from '../core/digest.ts'
import { LruMap } from '../core/lru-map.ts'
import type { Origin } from '../core/origin.ts'
import type { Registries } from '../oci/registries.ts'
import type { JoinWalker } from './join-walker.ts'
import { hostTopic } from './node-order.ts'
import type { SwarmContext } from './swarm-context.ts'

const maxHosts = 256
/** Who read from a host this long ago joins its topic again. */
const joinedForMs = 600_000

/** Tells other nodes when a registry asks to be left alone, and heeds what they were asked. */
export class HostWatch {
  readonly #context: SwarmContext
  readonly #gates: Registries['hostGates']
  readonly #walker: JoinWalker
  /** Hosts that this node reads from, by the topic that stands for them. */
  readonly #hosts = new LruMap<Digest, { readonly host: string; readonly joinedMs: number }>(maxHosts)
  readonly #ignore: () => void

  constructor(
    context: SwarmContext,
    gates: Registries['hostGates'],
    walker: JoinWalker,
    tell: (topic: Digest, durationMs: number) => void,
  ) {
    this.#context = context
    this.#gates = gates
    this.#walker = walker
    this.#ignore = gates.onHoldOff((host, durationMs) => tell(hostTopic(host), durationMs))
  }

  /** This node begins to read from an origin: it wants to hear what others are asked there. */
  reads(origin: Origin): void {
    const now = this.#context.clock.monotonicMs()
    for (const host of origin.hosts ?? []) {
      const topic = hostTopic(host)
      const known = this.#hosts.get(topic)
      if (known && now - known.joinedMs < joinedForMs) continue
      this.#hosts.set(topic, { host, joinedMs: now })
      void this.#walker.walk(topic)
    }
  }

  /** Others were asked to leave a host alone. */
  heldOff(topic: Digest, durationMs: number): void {
    const known = this.#hosts.get(topic)
    if (known) this.#gates.holdOff(known.host, durationMs)
  }

  close(): void {
    this.#ignore()
  }
}
