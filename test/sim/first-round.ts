import { JoinWalk, type WalkEffect, type WalkEvent } from '../../src/engine/join-walk.ts'
import type { SimNode } from './sim-node.ts'
import type { SimWorld } from './sim-world.ts'
import type { Told } from './topic.ts'

/** Nodes near the topic that a walk begins with. */
const firstCandidates = 8
/** Whoever takes longer to be reached than this is not part of the first round. */
const dialsMs = 1000
/** A node that still loads looks again: after this long at first, then ever more seldom. */
const firstLookAgainMs = 2000

type Stage = 'before' | 'dials' | 'walk' | 'last-dials' | 'over'

/**
 * A node's search for others, as production's topic table goes about it: dials that are under way end, a walk to the topic, the
 * dials that came of it; then all who could be found at once have been.
 */
export class FirstRound {
  readonly #world: SimWorld
  readonly #node: SimNode
  #walk: JoinWalk | undefined
  #stage: Stage = 'before'
  /** The walk is to join at these nodes as soon as they are linked. */
  readonly #joining = new Set<number>()
  #lookAgainMs = Infinity
  #looks = 0

  constructor(world: SimWorld, node: SimNode) {
    this.#world = world
    this.#node = node
  }

  start(): void {
    this.#looks++
    this.#lookAgainMs = Infinity
    this.#enter('dials')
  }

  /** Called now and then while the node loads. */
  look(): void {
    if (this.#world.events.now >= this.#lookAgainMs) this.start()
  }

  dialEnded(to: number): void {
    if (this.#joining.delete(to)) {
      if (this.#node.endTo.has(to)) this.#join(to)
      else this.#tell({ type: 'failed', key: String(to) })
    }
    if (this.#node.book.diallingCount === 0) this.#dialsDone()
  }

  answered(from: number, { busy, members, nearer }: Told & { type: 'members' }): void {
    const { topic } = this.#world.discovery
    const nearerRanks = nearer.map((key) => topic.ranked(Number(key)))
    this.#tell({ type: 'answered', key: String(from), members: members.length, nearer: nearerRanks, busy })
  }

  /** A timer of this round came. */
  wake(): void {
    this.#tell({ type: 'tick' })
  }

  /** Dials have taken too long. */
  tire(): void {
    this.#dialsDone()
  }

  #enter(stage: 'dials' | 'last-dials'): void {
    this.#stage = stage
    if (this.#node.book.diallingCount === 0) this.#dialsDone()
    else this.#world.discovery.tireAt(this.#node, this.#world.events.now + dialsMs)
  }

  #dialsDone(): void {
    if (this.#stage === 'dials') this.#beginWalk()
    else if (this.#stage === 'last-dials') this.#end()
  }

  #beginWalk(): void {
    const { discovery, events } = this.#world
    this.#stage = 'walk'
    this.#walk = new JoinWalk(discovery.topic.place, discovery.topic.ranked(this.#node.index))
    this.#carryOut(this.#walk.start(discovery.topic.nearest(this.#node, firstCandidates), events.now))
  }

  #end(): void {
    this.#stage = 'over'
    this.#lookAgainMs = this.#world.events.now + firstLookAgainMs * 2 ** (this.#looks - 1)
    this.#node.dispatch({ type: 'discovery:settled' })
  }

  #tell(event: WalkEvent): void {
    if (this.#walk && !this.#walk.done) this.#carryOut(this.#walk.step(event, this.#world.events.now))
  }

  #carryOut(effects: readonly WalkEffect[]): void {
    const walk = this.#walk
    for (const effect of effects) {
      if (effect.type === 'ask') this.#ask(Number(effect.key))
      else if (this.#stage === 'walk') this.#enter('last-dials')
    }
    if (walk?.dueMs !== undefined) this.#world.discovery.wakeRoundAt(this.#node, walk.dueMs)
  }

  #ask(to: number): void {
    if (this.#node.endTo.has(to)) return this.#join(to)
    if (this.#world.dialling.connect(this.#node, to)) this.#joining.add(to)
    else this.#tell({ type: 'failed', key: String(to) })
  }

  #join(to: number): void {
    const end = this.#node.endTo.get(to)
    if (end !== undefined) this.#world.discovery.tell(end, { type: 'join', asks: true })
  }
}
