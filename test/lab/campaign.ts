import { runAmongLiars } from './run-among-liars.ts'
import { runSchedule } from './run-schedule.ts'
import { drawSchedule, type Limits } from './schedule.ts'

/** Many schedules, and what they came to. */
export class Campaign {
  readonly #limits: Limits
  /** What went wrong, with what repeats it. */
  readonly failures: string[] = []
  readonly figures = { schedules: 0, failures: 0, events: 0, virtualMs: 0, deliveredBytes: 0, ok: 0, aborted: 0, failed: 0, lost: 0 }

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** Runs the schedules of consecutive seeds. */
  async run(firstSeed: number, count: number): Promise<void> {
    for (let seed = firstSeed; seed < firstSeed + count; seed++) await this.#runOne(seed)
  }

  /** Swarms of which a part lies, with and without issuers that the honest trust. */
  async runAmongLiars(firstSeed: number, count: number, part: number): Promise<void> {
    for (let seed = firstSeed; seed < firstSeed + count; seed++) {
      for (const trusting of [false, true]) {
        const { violations, kinds } = await runAmongLiars({ seed, part, trusting })
        this.figures.schedules++
        if (violations.length === 0) continue
        this.figures.failures++
        this.failures.push([`npm run lab -- --liars 1 --seed ${seed}: ${part} of all lie, ${kinds.join(', ')}`, ...violations].join('\n  '))
      }
    }
  }

  async #runOne(seed: number): Promise<void> {
    const { figures } = this
    const { violations, events, virtualMs, deliveredBytes, reads } = await runSchedule(drawSchedule(seed, this.#limits))
    figures.schedules++
    figures.events += events
    figures.virtualMs += virtualMs
    figures.deliveredBytes += deliveredBytes
    for (const kind of ['ok', 'aborted', 'failed', 'lost'] as const) figures[kind] += reads[kind]
    if (violations.length === 0) return
    figures.failures++
    const { mostNodes, mostPieces } = this.#limits
    this.failures.push([`npm run lab -- --replay ${seed} --nodes ${mostNodes} --pieces ${mostPieces}`, ...violations].join('\n  '))
  }
}
