import { JoinWalk, type WalkEffect, type WalkEvent } from '../../src/engine/join-walk.ts'
import type { RankedPeer } from '../../src/engine/ranks.ts'
import type { LinkId } from '../../src/engine/session-event.ts'
import type { ChaosSwarm } from './chaos-swarm.ts'
import type { ChaosTracker } from './chaos-tracker.ts'

/** As in production: while a node loads, it walks again after so long, then ever more seldom. */
const firstAgainMs = 2000
const maxAgainMs = 30_000
const firstCandidates = 8

export interface ChaosSearchInit {
  readonly swarm: ChaosSwarm
  readonly tracker: ChaosTracker
  readonly ranks: () => readonly RankedPeer[]
  readonly connect: (key: string, done: (link: LinkId | undefined) => void) => void
  readonly join: (link: LinkId) => void
  readonly later: (delayMs: number, run: () => void) => void
}

/** One node's walks to the nodes that know who gathers around the blob. */
export class ChaosSearch {
  readonly #init: ChaosSearchInit
  #walk: JoinWalk | undefined
  /** Who waits for the end of the walk. */
  #waiting: (() => void)[] = []
  #walks = 0

  constructor(init: ChaosSearchInit) {
    this.#init = init
  }

  /** Calls for one walk share it. */
  begin(done: () => void): void {
    this.#waiting.push(done)
    if (!this.#walk) this.#start()
  }

  /** The process is gone, and with it whoever waited. */
  stop(): void {
    this.#walk = undefined
    this.#waiting = []
    this.#walks = 0
  }

  step(event: WalkEvent): void {
    if (this.#walk) this.#carryOut(this.#walk, this.#walk.step(event, this.#init.swarm.time.now))
  }

  #start(): void {
    const { swarm, tracker, ranks } = this.#init
    const walk = new JoinWalk(swarm.blob.place, tracker.seat.ranked)
    this.#walk = walk
    this.#carryOut(walk, walk.start(ranks().slice(0, firstCandidates), swarm.time.now))
  }

  #end(): void {
    this.#walk = undefined
    for (const done of this.#waiting.splice(0)) done()
    const againMs = Math.min(maxAgainMs, firstAgainMs * 2 ** this.#walks++)
    this.#init.later(againMs, () => {
      if (this.#init.tracker.node.wanted && !this.#walk) this.#start()
    })
  }

  #carryOut(walk: JoinWalk, effects: readonly WalkEffect[]): void {
    const { connect, join, later, swarm } = this.#init
    for (const effect of effects) {
      if (effect.type === 'done') return this.#end()
      connect(effect.key, (link) => {
        if (link === undefined) this.step({ type: 'failed', key: effect.key })
        else join(link)
      })
    }
    const { dueMs } = walk
    if (dueMs !== undefined && this.#walk === walk) later(dueMs - swarm.time.now, () => this.step({ type: 'tick' }))
  }
}
