import type { Schedule } from './schedule.ts'

/** What one run came to. */
export interface Figures {
  readonly events: number
  readonly pieces: number
  readonly served: number
  readonly mostFetchers: number
  /** How much longer the slowest pull took than one from the origin alone; negative where it was faster. */
  readonly lateMs: number
}

/** Schedules of one kind stand together in the figures. */
export function kindOf({ fault, shape }: Schedule): string {
  const views = shape.fault ?? `views ${shape.views}`
  if (fault.kind === 'crash') return `crash of ${fault.victim}, ${views}`
  if (fault.kind === 'partition') return `partition, origin on ${fault.origin}, ${views}`
  return `calm, ${views}`
}

/** The figures of many runs, as `npm run chaos -- --json` prints them. */
export function summary(runs: readonly Figures[]): object {
  const most = (of: (figures: Figures) => number): number => runs.reduce((max, figures) => Math.max(max, of(figures)), 0)
  const sum = (of: (figures: Figures) => number): number => runs.reduce((total, figures) => total + of(figures), 0)
  return {
    runs: runs.length,
    events: sum(({ events }) => events),
    copiesRead: Number((sum(({ served }) => served) / sum(({ pieces }) => pieces)).toFixed(3)),
    mostExtraPieces: most(({ served, pieces }) => served - pieces),
    mostFetchersAtOnce: most(({ mostFetchers }) => mostFetchers),
    latestMs: most(({ lateMs }) => lateMs),
  }
}
