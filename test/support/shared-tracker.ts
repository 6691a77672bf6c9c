import type { Digest } from '../../src/core/digest.ts'
import { seededRandom } from '../../src/core/random.ts'
import type { Effect } from '../../src/engine/effect.ts'
import type { LeaseAnswer } from '../../src/engine/lease.ts'
import { unknownLocation } from '../../src/engine/location.ts'
import { createTracker, stepTracker, type TrackerState } from '../../src/engine/tracker.ts'
import type { LeasedBlob, TrackerEvent } from '../../src/engine/tracker-event.ts'
import type { Companion, LittleNode } from './little-node.ts'
import type { LittleSwarm } from './little-swarm.ts'

const digest: Digest = `sha256:${'0'.repeat(64)}`
const place = new Uint8Array(32)

/** One production tracker that every node of a little swarm reaches, always; all stand in one region. */
export class SharedTracker {
  readonly #swarm: LittleSwarm
  readonly #latencyMs: number
  readonly #blob: LeasedBlob
  readonly #state: TrackerState
  readonly #nodes = new Map<number, LittleNode>()

  constructor(swarm: LittleSwarm, latencyMs: number) {
    this.#swarm = swarm
    this.#latencyMs = latencyMs
    this.#blob = { digest, place, ...swarm.layout }
    this.#state = createTracker({
      self: { key: 'tracker', place, supernode: false, location: unknownLocation },
      random: seededRandom(swarm.random.below(2 ** 32)),
    })
  }

  readonly companion = (node: LittleNode): Companion => ({
    distanceTo: () => this.#swarm.random.below(3),
    search: (settled) => this.#swarm.time.after(this.#swarm.random.below(300), settled),
    ask: (ask) => this.#later(() => this.#take(node, ask)),
    opened: () => {},
    closed: () => {},
    killed: () => this.#forget(node),
  })

  #take(node: LittleNode, { number, count, held, wanted, rateBytesPerSecond }: Effect & { type: 'ask-lease' }): void {
    const link = node.index
    const holder = `node ${link}`
    if (!this.#nodes.has(link)) {
      const peer = { key: holder, place, supernode: false, location: unknownLocation }
      this.#nodes.set(link, node)
      this.#tell({ type: 'link:opened', link, peer })
    }
    const ask = { holder, region: '', supernode: false, takeover: false, hops: 0, number, count, held, wanted, rateBytesPerSecond }
    this.#tell({ type: 'lease:asked', link, blob: this.#blob, ask, ranks: [] })
  }

  #forget(node: LittleNode): void {
    if (this.#nodes.delete(node.index)) this.#tell({ type: 'link:closed', link: node.index })
  }

  #tell(event: TrackerEvent): void {
    for (const effect of stepTracker(this.#state, event, this.#swarm.time.now)) {
      if (effect.type === 'send-lease') this.#later(() => this.#answer(effect.link, effect.answer))
      else this.#swarm.problems.push(`the tracker was not expected to ${effect.type}`)
    }
  }

  #answer(link: number, { number, validMs, retryAfterMs, grants }: LeaseAnswer): void {
    const runs = grants.flatMap(({ source, runs: granted }) => (source === undefined ? granted : []))
    this.#nodes.get(link)?.dispatch({ type: 'lease:answered', number, validMs, retryAfterMs, runs, imports: [] })
  }

  #later(run: () => void): void {
    this.#swarm.time.after(this.#latencyMs, run)
  }
}
