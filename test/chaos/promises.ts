import type { Schedule } from './schedule.ts'

/** A pull may take so much longer than one that goes to the origin at once; counted from when its node began, or its fault was noticed. */
const usualPatienceMs = 4000
/**
 * A tracker that grants nothing is doubted after three seconds; then it is drawn who reads, in the worst case four times; and where
 * uplinks are slow, the others wait for what that one gives.
 */
const misledPatienceMs = 6000
/** Ranks on the other side are tried twice, for more than half a second each, and a new tracker waits for a second. */
const cutOffPatienceMs = 5000
/** Regions wait for each other, too: what is not here in two seconds is taken from there. */
const regionsPatienceMs = 7000
/** Liars in another region are asked by who starves, one after the other. */
const farLiarsPatienceMs = 12_000

/** What two or three may read at once before they hear of each other. */
export const overlapPieces = 12
const overlapPart = 0.02

/** How much later than from the origin alone a node may have the blob. */
export function patienceMs({ shape, fault }: Schedule, regions: number): number {
  if (shape.fault === 'introduces-liars' && regions > 1) return farLiarsPatienceMs
  if (regions > 1) return regionsPatienceMs
  if (fault.kind === 'partition') return cutOffPatienceMs
  return shape.fault ? misledPatienceMs : usualPatienceMs
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
 * How many pieces may be read from the origin: each once, without a fault; again what was lost with a fetcher. The crash of a tracker
 * costs nothing when it is noticed at once, and it stays away.
 * - One that is silent, or comes back with an empty book, leaves a moment in which some read without leave, or with that of two:
 *   twelve pieces, or two percent.
 * - Parts that cannot hear each other read all once each, and each of them goes through that moment, as the whole does when they meet.
 * - Where views disagree there may be two trackers at once.
 * - A tracker that takes over knows nothing of what regions have read: a fault may cost one copy for each.
 */
export function mostServed({ shape, fault }: Schedule, { pieces, parts, regions, mayLose }: ReadFacts): number {
  const trackers = shape.views === 'agree' ? 1 : 2
  const regionCopies = fault.kind === 'none' ? 1 : regions
  const copies = trackers * parts * regionCopies
  const unsure = fault.kind === 'partition' || (fault.kind === 'crash' && (fault.silent || fault.restartMs !== undefined))
  const moments = parts > 1 ? parts + 1 : copies > 1 || unsure ? 1 : 0
  return copies * pieces + moments * Math.max(Math.ceil(overlapPart * pieces), overlapPieces) + mayLose
}
