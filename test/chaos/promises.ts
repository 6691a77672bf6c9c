import type { Schedule } from './schedule.ts'
import type { Shape } from './shape.ts'

/** A pull may take so much longer than one that goes to the origin at once; counted from when its node began, or its fault was noticed. */
const usualPatienceMs = 4000
/** A tracker that grants nothing is doubted after three seconds; then it is drawn who reads, in the worst case four times. */
const misledPatienceMs = 6000
/** Regions wait for each other, too: what is not here in two seconds is taken from there. */
const regionsPatienceMs = 7000
/** Liars in another region are asked by who starves, one after the other. */
const farLiarsPatienceMs = 14_000
/** Where uplinks are slower than the origin, a node waits for what those who have the blob can give, and does not read it again itself. */
const slowUplinksMs = 3000
/** A side that was cut off is served as fast as links allow, but for so long; who finds nobody in its region starves, and is fed from another. */
const afterHealMs = 2000
const farAfterHealMs = 6500
const slowAfterHealMs = 2000

/** What one lease lets a node read, before it or its tracker hears of others. */
export const overlapPieces = 16
const overlapPart = 0.02

/** How much later than from the origin alone a node may have the blob. */
export function patienceMs({ shape }: Schedule, { regions, slowUplinks }: Shape): number {
  const slowMs = slowUplinks ? slowUplinksMs : 0
  if (shape.fault === 'introduces-liars' && regions > 1) return farLiarsPatienceMs + slowMs
  if (regions > 1) return regionsPatienceMs + slowMs
  return (shape.fault ? misledPatienceMs : usualPatienceMs) + slowMs
}

/** How much later than as fast as links allow a side without an origin may have the blob when it is linked again. */
export function patienceAfterHealMs({ regions, views, slowUplinks }: Shape): number {
  if (regions === 1 && views === 'agree') return afterHealMs
  return farAfterHealMs + (slowUplinks ? slowAfterHealMs : 0)
}

export interface ReadFacts {
  readonly pieces: number
  /** Into how many parts the swarm fell, each of which reaches the origin. */
  readonly parts: number
  readonly regions: number
  /** What died with fetchers, or was cut off: at most eight pieces of each, and what nobody could have taken. */
  readonly mayLose: number
}

/**
 * How many pieces may be read from the origin: each once, without a fault; again what was lost with a fetcher, and nothing more when
 * that was noticed at once, and it stays away.
 * - A tracker that dies or comes back with an empty book, and a death that goes unnoticed, leave a moment in which some read without
 *   leave, or with that of two trackers: one lease of 16 pieces, or two percent.
 * - Parts that cannot hear each other read all once each, and each of them goes through that moment, as the whole does when they meet.
 * - Where views disagree there may be two trackers at once.
 * - A tracker that takes over knows nothing of what regions have read: a fault may cost one copy for each.
 */
export function mostServed({ shape, fault }: Schedule, { pieces, parts, regions, mayLose }: ReadFacts): number {
  const trackers = shape.views === 'agree' ? 1 : 2
  const regionCopies = fault.kind === 'none' ? 1 : regions
  const copies = trackers * parts * regionCopies
  const isNoticed = fault.kind === 'crash' && fault.victim === 'fetcher' && !fault.silent && fault.restartMs === undefined
  const unsure = fault.kind !== 'none' && !isNoticed
  const moments = parts > 1 ? parts + 1 : copies > 1 || unsure ? 1 : 0
  return copies * pieces + moments * Math.max(Math.ceil(overlapPart * pieces), overlapPieces) + mayLose
}
