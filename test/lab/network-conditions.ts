import type { Random } from '../../src/core/random.ts'

/** The state of the way from one host to another. */
export interface WayConditions {
  /** What a frame takes, in milliseconds. */
  latencyMs: number
  /** Nothing gets through; what is on the way waits, as TCP sends it again. */
  blocked: boolean
  /** Part of the frames that are lost once: TCP sends them again, and what is behind them waits. */
  loss: number
  /** Streams overtake each other by up to so much; what is sent on one of them stays in order. */
  reorderMs: number
}

/** How hosts reach each other; faults change it while a run goes on. */
export class NetworkConditions {
  readonly #random: Random
  readonly #ways = new Map<string, WayConditions>()
  readonly #latencyMs: (from: string, to: string) => number

  /** @param latencyMs - of a way, when it is used first */
  constructor(random: Random, latencyMs: (from: string, to: string) => number) {
    this.#random = random
    this.#latencyMs = latencyMs
  }

  way(from: string, to: string): WayConditions {
    const key = `${from}>${to}`
    let way = this.#ways.get(key)
    if (!way) {
      way = { latencyMs: this.#latencyMs(from, to), blocked: false, loss: 0, reorderMs: 0 }
      this.#ways.set(key, way)
    }
    return way
  }

  /** How much later than usual a frame arrives: nothing, or what it takes TCP to notice that it was lost. */
  delayOfLoss({ loss, latencyMs }: WayConditions): number {
    if (loss === 0 || this.#random.next() >= loss) return 0
    return Math.max(200, 3 * latencyMs)
  }

  delayOfReorder({ reorderMs }: WayConditions): number {
    return reorderMs === 0 ? 0 : this.#random.next() * reorderMs
  }
}
