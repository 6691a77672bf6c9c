import { seededRandom, type Random } from '../../src/core/random.ts'
import type { OriginFault } from './lab-origin.ts'

const kib = 1024
const pieceBytes = 256 * kib

/** A blob of a run. */
export interface ScheduledBlob {
  readonly contentSeed: number
  readonly sizeBytes: number
  readonly private: boolean
}

/** Somebody wants a blob. */
export interface ScheduledRead {
  readonly atMs: number
  /** Index of the node, and of the blob. */
  readonly node: number
  readonly blob: number
  /** As a whole, in order while it loads, or a part of it once it is here. */
  readonly how: 'fetch' | 'stream' | 'part'
  readonly abortAfterMs: number | undefined
}

/** Something goes wrong; nodes are named by their index. */
export type Fault =
  | { readonly kind: 'reset' | 'reset-streams'; readonly a: number; readonly b: number }
  | { readonly kind: 'one-way'; readonly a: number; readonly b: number; readonly forMs: number }
  | { readonly kind: 'delay'; readonly a: number; readonly b: number; readonly latencyMs: number; readonly forMs: number }
  | { readonly kind: 'reorder'; readonly a: number; readonly b: number; readonly byMs: number; readonly forMs: number }
  | { readonly kind: 'loss'; readonly a: number; readonly b: number; readonly part: number; readonly forMs: number }
  | { readonly kind: 'partition'; readonly side: readonly number[]; readonly forMs: number }
  | { readonly kind: 'turns-bits'; readonly a: number; readonly every: number }
  | { readonly kind: 'block'; readonly a: number; readonly forMs: number }
  | { readonly kind: 'clock'; readonly a: number; readonly byMs: number }
  | { readonly kind: 'kill'; readonly a: number; readonly restartAfterMs: number }
  | { readonly kind: 'origin'; readonly fault: OriginFault }
  | { readonly kind: 'origin-down'; readonly forMs: number }

/** A fault with its time. */
export type TimedFault = Fault & { readonly atMs: number }

/** One run: who there is, who wants what, and what goes wrong. All of it follows from the seed and the limits. */
export interface Schedule {
  readonly seed: number
  readonly nodes: readonly { readonly bytesPerSecond: number }[]
  readonly originBytesPerSecond: number
  readonly blobs: readonly ScheduledBlob[]
  readonly reads: readonly ScheduledRead[]
  readonly faults: readonly TimedFault[]
}

/** How large schedules get. */
export interface Limits {
  readonly mostNodes: number
  readonly mostPieces: number
}

/** Those of the schedules that run with every change. */
export const testLimits: Limits = { mostNodes: 12, mostPieces: 6 }

/** When the last fault begins, at the latest, and how long one lasts. */
const faultsUntilMs = 5000
const longestFaultMs = 10_000

/** When the last of the faults is over. */
export function faultsEndMs({ faults }: Schedule): number {
  const ends = faults.map((fault) => {
    if (fault.kind === 'kill') return fault.atMs + fault.restartAfterMs
    return fault.atMs + ('forMs' in fault ? fault.forMs : 0)
  })
  return Math.max(0, ...ends)
}

export function drawSchedule(seed: number, limits: Limits): Schedule {
  const random = seededRandom(seed)
  const more = limits.mostNodes - 3
  // Small swarms mostly: two more nodes cost as much as one more run.
  const nodes = Array.from({ length: 4 + Math.min(...Array.from({ length: 4 }, () => random.below(more))) }, () => ({
    bytesPerSecond: pick(random, [1_000_000, 4_000_000, 12_500_000, 125_000_000]),
  }))
  const blobs = Array.from({ length: random.below(4) === 0 ? 2 : 1 }, () => drawBlob(random, limits))
  const reads = blobs.flatMap((_, blob) => drawReads(random, nodes.length, blob))
  const faults = Array.from({ length: 1 + random.below(5) }, () => ({
    ...drawFault(random, nodes.length),
    atMs: random.below(random.below(2) === 0 ? 1500 : faultsUntilMs),
  }))
  return {
    seed,
    nodes,
    originBytesPerSecond: pick(random, [500_000, 2_000_000, 12_500_000]),
    blobs,
    reads: reads.toSorted((a, b) => a.atMs - b.atMs),
    faults: faults.toSorted((a, b) => a.atMs - b.atMs),
  }
}

function drawBlob(random: Random, { mostPieces }: Limits): ScheduledBlob {
  const pieces = pick(random, [5, 5, 5, 6, 6, 8, mostPieces])
  // Few of them, so that their bytes are made once for many runs.
  const sizeBytes = pick(random, [100, 16_384, 16_385, 300_000, 1024 * kib, ...Array.from({ length: 7 }, () => pieces * pieceBytes), 4 * pieceBytes + 1])
  return { contentSeed: random.below(3), sizeBytes, private: random.below(12) === 0 }
}

function drawReads(random: Random, nodes: number, blob: number): ScheduledRead[] {
  const readers = Array.from({ length: nodes }, (_, node) => node).filter(() => random.below(5) > 0)
  const spreadMs = pick(random, [10, 500, 3000])
  return readers.map((node) => ({
    atMs: random.below(spreadMs),
    node,
    blob,
    how: pick(random, ['fetch', 'fetch', 'stream', 'part'] as const),
    abortAfterMs: random.below(6) === 0 ? random.below(2000) : undefined,
  }))
}

function drawFault(random: Random, nodes: number): Fault {
  const a = random.below(nodes)
  const b = (a + 1 + random.below(nodes - 1)) % nodes
  const forMs = 100 + random.below(longestFaultMs - 100)
  switch (random.below(14)) {
    case 0:
      return { kind: 'reset', a, b }
    case 1:
      return { kind: 'reset-streams', a, b }
    case 2:
      return { kind: 'one-way', a, b, forMs }
    case 3:
      return { kind: 'delay', a, b, latencyMs: pick(random, [50, 200, 1000]), forMs }
    case 4:
      return { kind: 'reorder', a, b, byMs: 1 + random.below(100), forMs }
    case 5:
      return { kind: 'loss', a, b, part: pick(random, [0.01, 0.05, 0.3]), forMs }
    case 6:
      return { kind: 'partition', side: Array.from({ length: nodes }, (_, node) => node).filter(() => random.below(2) === 0), forMs }
    case 7:
      return { kind: 'turns-bits', a, every: 1 + random.below(6) }
    case 8:
      return { kind: 'block', a, forMs: Math.min(forMs, 6000) }
    case 9:
      return { kind: 'clock', a, byMs: pick(random, [-86_400_000, 86_400_000, -1_750_000_000_000]) }
    case 10:
    case 11:
      return { kind: 'kill', a, restartAfterMs: random.below(5000) }
    case 12:
      return { kind: 'origin', fault: drawOriginFault(random) }
    default:
      return { kind: 'origin-down', forMs }
  }
}

function drawOriginFault(random: Random): OriginFault {
  const times = 1 + random.below(3)
  const kind = pick(random, ['unavailable', 'truncates', 'wrong-bytes', 'slow', 'rate'] as const)
  return kind === 'rate' ? { kind, times, retryAfterMs: 500 + random.below(4000) } : { kind, times }
}

function pick<Value>(random: Random, values: readonly Value[]): Value {
  const value = values[random.below(values.length)]
  if (value === undefined) throw new TypeError('there is nothing to pick from')
  return value
}
