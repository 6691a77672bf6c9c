import type { RankedPeer } from './ranks.ts'

/** Who did not answer an ask is passed over for so long, unless it is heard of: its link may look open for a while after its death. */
const silentForMs = 10_000
const maxSilent = 256

/** Nodes that did not answer when they were asked for a lease. */
export class SilentNodes {
  /** Until when each is passed over. */
  readonly #untilMs = new Map<string, number>()

  /** It said something: it is there. */
  heard(key: string): void {
    this.#untilMs.delete(key)
  }

  /**
   * A node took too long; says whether it is passed over from now on. One that could not be linked in time may be busy with a crowd,
   * and is given a second chance.
   * @param asked - it was linked, and did not answer
   */
  note(key: string, asked: boolean, now: number): boolean {
    const isPassedOver = asked || this.#untilMs.has(key)
    this.#untilMs.delete(key)
    this.#untilMs.set(key, isPassedOver ? now + silentForMs : now)
    const [oldest] = this.#untilMs.keys()
    if (this.#untilMs.size > maxSilent && oldest !== undefined) this.#untilMs.delete(oldest)
    return isPassedOver
  }

  /** The ranks without those that are passed over. */
  others(ranks: readonly RankedPeer[], now: number): readonly RankedPeer[] {
    if (this.#untilMs.size === 0) return ranks
    return ranks.filter(({ key }) => now >= (this.#untilMs.get(key) ?? 0))
  }
}
