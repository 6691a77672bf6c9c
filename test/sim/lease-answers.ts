import type { LeaseAnswer } from '../../src/engine/lease.ts'
import type { SimNode } from './sim-node.ts'
import type { SimWorld } from './sim-world.ts'

/** An answer waits for the links over which it says that pieces are to be brought in. */
interface Waiting {
  readonly answer: LeaseAnswer
  readonly missing: Set<number>
}

/** Hands what trackers answered to the sessions that asked. */
export class LeaseAnswers {
  readonly #world: SimWorld
  readonly #waiting = new Map<number, Waiting>()

  constructor(world: SimWorld) {
    this.#world = world
  }

  answer(node: SimNode, answer: LeaseAnswer): void {
    const missing = new Set<number>()
    for (const { source } of answer.grants) {
      if (source === undefined || node.endTo.has(Number(source))) continue
      if (this.#world.dialling.connect(node, Number(source))) missing.add(Number(source))
    }
    if (missing.size === 0) return this.#handOver(node, answer)
    this.#waiting.set(node.index, { answer, missing })
  }

  dialEnded(node: SimNode, to: number): void {
    const waiting = this.#waiting.get(node.index)
    if (!waiting?.missing.delete(to) || waiting.missing.size > 0) return
    this.#waiting.delete(node.index)
    this.#handOver(node, waiting.answer)
  }

  #handOver(node: SimNode, { number, validMs, retryAfterMs, grants }: LeaseAnswer): void {
    node.dispatch({
      type: 'lease:answered',
      number,
      validMs,
      retryAfterMs,
      runs: grants.flatMap(({ source, runs }) => (source === undefined ? runs : [])),
      imports: grants.flatMap(({ source, runs }) => {
        const link = source === undefined ? undefined : node.endTo.get(Number(source))
        return link === undefined ? [] : [{ link, runs }]
      }),
    })
  }
}
