import type { Random } from '../../src/core/random.ts'
import { seededRandom } from '../../src/core/random.ts'
import type { ShapeOptions, Views } from './shape.ts'
import type { TrackerFault } from './tracker-seat.ts'

export type Victim = 'fetcher' | 'tracker' | 'both'

/** What goes wrong, and right after which event of the calm run. */
export type Fault =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'crash'
      readonly victim: Victim
      /** Its neighbours are not told, and notice after up to three seconds. */
      readonly silent: boolean
      /** It starts again after so long, with what it had stored. */
      readonly restartMs: number | undefined
    }
  | { readonly kind: 'partition'; readonly origin: 'both sides' | 'one side'; readonly healMs: number }

/** One run. The same one runs the same way. */
export interface Schedule {
  readonly shape: ShapeOptions
  readonly fault: Fault
  /** The fault happens after this part of the calm run's events: 0 the first one, 1 the last. */
  readonly atPart: number
  /** Or after exactly so many. */
  readonly atEvent?: number
}

const victims: readonly Victim[] = ['fetcher', 'tracker', 'both']
const views: readonly Views[] = ['agree', 'agree', 'disagree', 'links']
const trackerFaults: readonly (TrackerFault | 'dht-dead')[] = ['never-grants', 'grants-all', 'introduces-liars', 'dht-dead']

/** Limits of the swarms that are drawn; as {@link ShapeOptions} has them. */
export interface Limits {
  readonly mostNodes: number
  readonly mostPieces: number
}

/** Draws what goes wrong in one run, by its seed. */
export function drawSchedule(seed: number, limits: Limits): Schedule {
  const random = seededRandom(seed ^ 0x2545f491)
  const atPart = random.next()
  const kind = random.below(20)
  const any = views[random.below(views.length)] ?? 'agree'
  if (kind === 0) return { shape: { seed, ...limits, views: 'agree' }, fault: { kind: 'none' }, atPart }
  if (kind <= 11) return { shape: { seed, ...limits, views: any }, fault: drawCrash(random), atPart }
  if (kind <= 15) {
    const origin = kind <= 13 ? 'both sides' : 'one side'
    return { shape: { seed, ...limits, views: any }, fault: { kind: 'partition', origin, healMs: 500 + random.below(12_000) }, atPart }
  }
  const bad = trackerFaults[kind - 16] ?? 'dht-dead'
  if (bad === 'dht-dead') return { shape: { seed, ...limits, views: 'links' }, fault: { kind: 'none' }, atPart }
  return { shape: { seed, ...limits, views: 'agree', fault: bad }, fault: { kind: 'none' }, atPart }
}

/** A crash after each event of one small swarm's calm run: which victims, silently or not, is drawn anew for each. */
export function crashAt(seed: number, event: number, limits: Limits): Schedule {
  const random = seededRandom(seed * 1_000_003 + event)
  return { shape: { seed, ...limits, views: 'agree' }, fault: drawCrash(random), atPart: 0, atEvent: event }
}

function drawCrash(random: Random): Fault {
  return {
    kind: 'crash',
    victim: victims[random.below(victims.length)] ?? 'fetcher',
    silent: random.next() < 0.5,
    restartMs: random.next() < 0.4 ? random.below(6000) : undefined,
  }
}
