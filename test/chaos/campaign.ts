import { kindOf, summary, type Figures } from './figures.ts'
import { calmEvents, runSchedule } from './run-schedule.ts'
import { crashAt, drawSchedule, type Limits, type Schedule } from './schedule.ts'

export interface CampaignPart {
  readonly schedules: number
  readonly seed: number
}

/** Swarms of which every single event is followed by a crash are small ones, so that there are many of them. */
const smallLimits: Limits = { mostNodes: 4, mostPieces: 12 }

/** Many schedules, and what they came to. */
export class Campaign {
  readonly #limits: Limits
  readonly failures: string[] = []
  runs = 0
  /** Swarms of which each event was followed by a crash. */
  #enumerated = 0
  readonly #byKind = new Map<string, Figures[]>()

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** Swarm after swarm: right after each event of its calm run, one or two nodes die. The last swarm is left unfinished. */
  everyEvent({ schedules, seed }: CampaignPart): void {
    const end = this.runs + schedules
    for (let swarm = seed; this.runs < end; swarm++) {
      const events = calmEvents(crashAt(swarm, 0, smallLimits))
      for (let event = 0; event < events && this.runs < end; event++) this.run(crashAt(swarm, event, smallLimits))
      this.#enumerated++
    }
  }

  /** One swarm and one fault for each seed. */
  drawn({ schedules, seed }: CampaignPart): void {
    for (let each = seed; each < seed + schedules; each++) this.run(drawSchedule(each, this.#limits))
  }

  figures(): object {
    const kinds = [...this.#byKind].toSorted(([a], [b]) => a.localeCompare(b)).map(([kind, runs]) => [kind, summary(runs)] as const)
    return { schedules: this.runs, failures: this.failures.length, swarmsWithEveryEvent: this.#enumerated, kinds: Object.fromEntries(kinds) }
  }

  run(schedule: Schedule): void {
    this.runs++
    try {
      const figures = runSchedule(schedule)
      const kind = kindOf(schedule)
      const before = this.#byKind.get(kind)
      if (before) before.push(figures)
      else this.#byKind.set(kind, [figures])
    } catch (error) {
      this.failures.push(error instanceof Error ? error.message : String(error))
    }
  }
}
