import { seededRandom } from '../../src/core/random.ts'
import { lowerBoundMs } from './bounds.ts'
import { resetMs } from './dialling.ts'
import type { EventKind } from './event-queue.ts'
import type { SimNode } from './sim-node.ts'
import type { SimWorld } from './sim-world.ts'

/** Nodes that die: by chance over the run, and as `--kill` says. */
export class Faults {
  readonly #world: SimWorld
  readonly #die: EventKind<undefined>
  readonly #kill: EventKind<'fetcher' | 'tracker'>

  constructor(world: SimWorld) {
    const { events, nodes } = world
    this.#world = world
    this.#die = events.register((node, silent) => this.#onDeath(nodes[node]!, silent === 1))
    this.#kill = events.register<'fetcher' | 'tracker'>((_a, _b, who) => this.#onKill(who))
  }

  plan(): void {
    const { options, events, topology } = this.#world
    const random = seededRandom(options.seed * 16 + 7)
    const spanMs = 1.2 * lowerBoundMs(options, topology).allMs
    for (let node = 0; node < options.nodes; node++) {
      const dies = random.next() < options.killFraction
      const atMs = topology.startMs[node]! + random.next() * spanMs
      const silent = options.killHow === 'silent' || (options.killHow === 'both' && random.next() < 0.5)
      if (dies) events.at(atMs, this.#die, node, silent ? 1 : 0)
    }
    for (const { who, atMs } of options.kill) events.atWith(atMs, this.#kill, 0, 0, who)
  }

  #onKill(who: 'fetcher' | 'tracker'): void {
    const { nodes, origin, discovery } = this.#world
    let victim = who === 'tracker' ? discovery.firstTracker() : undefined
    if (who === 'fetcher') {
      for (const node of nodes) {
        if (node.alive && origin.runsOf(node.index) > (victim ? origin.runsOf(victim.index) : 0)) victim = node
      }
    }
    if (victim) this.#onDeath(victim, true)
  }

  #onDeath(node: SimNode, silent: boolean): void {
    const { dialling, origin, options } = this.#world
    if (!node.alive) return
    node.alive = false
    origin.forget(node)
    for (const end of node.ends.slice()) dialling.cut(end, silent ? options.noticeMs : resetMs)
  }
}
