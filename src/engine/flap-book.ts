const firstBackoffMs = 1000
const maxBackoffMs = 60_000
/** Peers whose flaps are remembered, the latest. */
const maxRemembered = 1024
/** After so long without another one, all are forgotten. */
const forgetAfterMs = 600_000

interface Flaps {
  count: number
  untilMs: number
}

/**
 * Peers whose links end while they owe us pieces, and have given none: whoever does that again and again costs most of a piece each time. They are
 * neither dialled nor taken in for a while, twice as long each time; one that gives a piece is forgiven.
 */
export class FlapBook {
  /** The longest unchanged first. */
  readonly #flaps = new Map<string, Flaps>()

  /** A link ended. */
  ended(peerId: string, link: { readonly given: number; readonly lost: number }, now: number): void {
    if (link.given > 0) this.#flaps.delete(peerId)
    if (link.given > 0 || link.lost === 0) return
    const before = this.#flaps.get(peerId)
    const count = before && now - before.untilMs < forgetAfterMs ? before.count + 1 : 1
    this.#flaps.delete(peerId)
    this.#flaps.set(peerId, { count, untilMs: now + Math.min(maxBackoffMs, firstBackoffMs * 2 ** (count - 1)) })
    for (const oldest of this.#flaps.keys()) {
      if (this.#flaps.size <= maxRemembered) break
      this.#flaps.delete(oldest)
    }
  }

  mayLink(peerId: string, now: number): boolean {
    return now >= (this.#flaps.get(peerId)?.untilMs ?? 0)
  }
}
