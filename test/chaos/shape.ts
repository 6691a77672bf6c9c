import type { Random } from '../../src/core/random.ts'
import { seededRandom } from '../../src/core/random.ts'
import { compareRank } from '../../src/engine/ranks.ts'
import type { Behaviour } from '../support/little-node.ts'
import { ChaosSwarm, type ChaosSwarmOptions } from './chaos-swarm.ts'
import { keyOf } from './node-keys.ts'
import type { TrackerFault, TrackerSeat } from './tracker-seat.ts'

/**
 * - `agree`: all know the node that is nearest to the blob, and most of the others.
 * - `disagree`: some have not heard of the nearest node, nor are linked to it; nodes that do not know better issue leases, too.
 * - `links`: the DHT is dead: nobody knows anybody but those it is linked to from the start.
 */
export type Views = 'agree' | 'disagree' | 'links'

/** What a swarm is to be; the seed draws the rest. */
export interface ShapeOptions {
  readonly seed: number
  /** At most so many nodes and pieces; eight and 64 without it. */
  readonly mostNodes?: number
  readonly mostPieces?: number
  /** One node more, which wants nothing and is the tracker of all, behaves so. */
  readonly fault?: TrackerFault | undefined
  readonly views: Views
  /** Nodes with such an index may not ask the origin. */
  readonly withoutOrigin?: (index: number) => boolean
}

export interface Shape {
  readonly options: ChaosSwarmOptions
  /** When each node begins to want the blob; those that never do are not here. */
  readonly wantMs: ReadonlyMap<number, number>
  readonly regions: number
  readonly supernodes: number
  readonly slowUplinks: boolean
  readonly views: Views
  /** The tracker lies about what may be read. */
  readonly misled: boolean
  /** How long a node that knows nobody takes, from when it wants the blob. */
  readonly originOnlyMs: number
  /** No schedule lets all nodes get the blob sooner from nodes that have it all. */
  readonly lowerBoundMs: (holders: readonly number[], lacking: readonly number[]) => number
}

const liarKinds: readonly Behaviour[] = ['mute', 'absent', 'busy', 'corrupt']

/** Draws a swarm. The same options draw the same one. */
export function drawShape(wanted: ShapeOptions): Shape {
  const random = seededRandom(wanted.seed ^ 0x5bd1e995)
  const { mostNodes = 8, mostPieces = 64, fault } = wanted
  const count = 2 + random.below(mostNodes - 1)
  const pieceCount = Math.min(mostPieces, 8 + random.below(mostPieces - 7))
  const latencyMs = 1 + random.below(30)
  const origin = { latencyMs: 10 + random.below(90), pieceMs: 5 + random.below(60) }
  const regions = count >= 4 && random.next() < 0.2 ? 2 : 1
  const supernode = random.next() < 0.15 ? random.below(count) : -1
  const place = drawPlace(random)
  const liars = fault === 'introduces-liars' ? 1 + random.below(3) : 0
  const total = count + (fault ? 1 : 0) + liars
  const ranked = Array.from({ length: total }, (_, index) => ({
    key: keyOf(index),
    place: fault && index === count ? Uint8Array.from(place) : drawPlace(random),
    supernode: index === supernode,
  }))
  const nearest = ranked.toSorted((a, b) => compareRank(a, b, place)).map(({ key }) => ranked.findIndex((of) => of.key === key))[0] ?? 0
  const { pairs, knows } = drawViews(random, { count, total, nearest, fault, views: wanted.views })
  // Where uplinks are slower than the origin, fetchers are ahead of what others take from them.
  const slowUplinks = random.next() < 0.3
  const pieceMs = Array.from({ length: total }, () => (slowUplinks ? 6 : 1) * (10 + random.below(60)))
  const nodes = ranked.map((of, index) => ({
    seat: seatOf(of, index, { regions, knows: knows[index] ?? [], fault: index === count ? fault : undefined }),
    node: {
      behaviour: index > count ? (liarKinds[random.below(liarKinds.length)] ?? 'mute') : ('honest' as const),
      origin: index < count && !(wanted.withoutOrigin?.(index) ?? false),
      pieceMs: pieceMs[index] ?? 10,
      rank: random.next(),
    },
  }))
  const spreadMs = random.next() < 0.3 ? 3000 : 100
  const wantMs = new Map(Array.from({ length: count }, (_, index) => [index, 70 + random.below(spreadMs)] as const))
  return {
    options: { seed: wanted.seed, pieceCount, latencyMs, origin, place, nodes, pairs },
    wantMs,
    regions,
    supernodes: supernode < 0 ? 0 : 1,
    slowUplinks,
    views: wanted.views,
    misled: fault !== undefined,
    originOnlyMs: origin.latencyMs + pieceCount * origin.pieceMs,
    lowerBoundMs: (holders, lacking) => fluidBoundMs(pieceCount, pieceMs, latencyMs, holders, lacking),
  }
}

/** The swarm of a shape, in which all nodes come to want the blob. */
export function openSwarm({ options, wantMs }: Shape): ChaosSwarm {
  const swarm = new ChaosSwarm(options)
  for (const [index, atMs] of wantMs) swarm.time.at(atMs, () => swarm.nodes[index]?.want())
  return swarm
}

interface ViewOptions {
  readonly count: number
  readonly total: number
  readonly nearest: number
  readonly fault: TrackerFault | undefined
  readonly views: Views
}

/** Who is linked from the start, and who knows whom. */
function drawViews(random: Random, { count, total, nearest, fault, views }: ViewOptions): {
  pairs: [number, number][]
  knows: number[][]
} {
  const knows: number[][] = Array.from({ length: total }, () => [])
  const pairs: [number, number][] = []
  if (fault === 'introduces-liars') {
    // Whoever is honest knows nobody but the tracker, and the tracker knows liars.
    for (let index = 0; index < count; index++) pairs.push([index, count])
    return { pairs, knows }
  }
  const dense = random.next() < 0.5
  for (let a = 0; a < total; a++) {
    for (let b = a + 1; b < total; b++) {
      const strangers = views === 'disagree' && (a === nearest || b === nearest) && random.next() < 0.6
      if (!strangers && (dense || random.next() < 0.7)) pairs.push([a, b])
      if (views === 'links' || strangers) continue
      if (b === nearest || random.next() < 0.8) knows[a]?.push(b)
      if (a === nearest || random.next() < 0.8) knows[b]?.push(a)
    }
  }
  return { pairs: joined(total, pairs, nearest), knows }
}

/** Adds links until every node can reach every other one. */
function joined(total: number, pairs: [number, number][], nearest: number): [number, number][] {
  const group = Array.from({ length: total }, (_, index) => index)
  const merge = (a: number, b: number): void => {
    const [from, to] = [group[a], group[b]]
    for (let index = 0; index < total; index++) if (group[index] === from) group[index] = to ?? 0
  }
  for (const [a, b] of pairs) merge(a, b)
  for (let index = 0; index < total; index++) {
    const other = index === nearest ? (index + 1) % total : nearest
    if (group[index] === group[other]) continue
    pairs.push([index, other])
    merge(index, other)
  }
  return pairs
}

function seatOf(
  ranked: TrackerSeat['ranked'],
  index: number,
  { regions, knows, fault }: { regions: number; knows: readonly number[]; fault: TrackerFault | undefined },
): TrackerSeat {
  return { ranked, region: regions === 1 ? '' : `r${index % regions}`, knows, fault }
}

/** Each piece leaves one of the holders once, and all copies leave some uplink, four at a time. */
function fluidBoundMs(
  pieceCount: number,
  pieceMs: readonly number[],
  latencyMs: number,
  holders: readonly number[],
  lacking: readonly number[],
): number {
  const rate = (nodes: readonly number[]): number => nodes.reduce((sum, index) => sum + 4 / (pieceMs[index] ?? 10), 0)
  const slowest = Math.min(...holders.map((index) => pieceMs[index] ?? 10))
  const onceMs = pieceCount / rate(holders)
  const allMs = (lacking.length * pieceCount) / rate([...holders, ...lacking])
  return 2 * latencyMs + Math.max(slowest, onceMs, allMs)
}

function drawPlace(random: Random): Uint8Array {
  return Uint8Array.from({ length: 32 }, () => random.below(256))
}
