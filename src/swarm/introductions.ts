import type { Clock } from '../core/clock.ts'
import type { Digest } from '../core/digest.ts'
import type { LinkId } from '../engine/session-event.ts'

/** How long the first answers are waited for: a round trip, and time for a busy peer. */
const answerMs = 250

/** Who was asked for members of a topic and has not answered. */
export class Introductions {
  readonly #clock: Clock
  readonly #unanswered = new Map<Digest, Set<LinkId>>()
  readonly #waiting = new Map<Digest, Set<() => void>>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  asked(topic: Digest, link: LinkId): void {
    const links = this.#unanswered.get(topic) ?? new Set()
    this.#unanswered.set(topic, links.add(link))
  }

  answered(topic: Digest, link: LinkId): void {
    const links = this.#unanswered.get(topic)
    if (!links?.delete(link) || links.size > 0) return
    this.#unanswered.delete(topic)
    for (const done of this.#waiting.get(topic) ?? []) done()
  }

  left(link: LinkId): void {
    for (const topic of Array.from(this.#unanswered.keys())) this.answered(topic, link)
  }

  /** Resolves when all who were asked have answered, or had their time. */
  answeredByAll(topic: Digest): Promise<void> {
    if (!this.#unanswered.has(topic)) return Promise.resolve()
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(topic) ?? new Set()
      const done = (): void => {
        cancel()
        waiting.delete(done)
        if (waiting.size === 0) this.#waiting.delete(topic)
        resolve()
      }
      const cancel = this.#clock.after(answerMs, done)
      this.#waiting.set(topic, waiting.add(done))
    })
  }
}
