import { lowerBoundMs, nativeMs } from './bounds.ts'
import type { SimWorld } from './sim-world.ts'

/** What came of a run; times are each node's own, from its start to the whole blob. */
export interface SimResult {
  readonly nodes: number
  readonly sizeBytes: number
  readonly seed: number
  /** Nodes that lived and have no whole blob. */
  readonly unfinished: number
  readonly died: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  readonly lowerBoundMs: number
  readonly ratioP50: number
  readonly ratioP99: number
  readonly ratioMax: number
  readonly nativeMs: number
  /** The native time by our 99th percentile. */
  readonly timesFasterThanNative: number
  readonly fast: { readonly p50Ms: number; readonly p99Ms: number; readonly lowerBoundMs: number; readonly ratioP99: number } | null
  readonly firstTenthMs: number
  readonly firstTenthP99Ms: number
  readonly originBytes: number
  readonly originBytesRatio: number
  readonly originRequests: number
  readonly originRefusals: number
  readonly uploadedBytes: number
  readonly keptBytes: number
  readonly duplicateBytes: number
  readonly lostBytes: number
  readonly controlBytes: number
  /** Into each region through its pipe, and in all. */
  readonly wanBytes: { readonly sum: number; readonly regions: readonly number[] }
  readonly haves: number
  readonly joins: number
  readonly leaseAsks: number
  readonly leaseSilences: number
  readonly dials: number
  readonly refusedDials: number
  readonly links: number
  readonly failures: number
  readonly steps: number
  readonly events: number
  readonly wallSeconds: number
  readonly rssBytes: number
  /** How long each node took, ascending. */
  readonly timesMs: readonly number[]
}

export function measure(world: SimWorld, wallSeconds: number): SimResult {
  const { options, nodes, topology, counters, events, wires, links } = world
  const alive = nodes.filter((node) => node.alive)
  const done = alive.filter((node) => node.done)
  const times = sorted(done.map((node) => node.doneMs - node.startedMs))
  const fastTimes = sorted(done.filter((node) => !topology.slow[node.index]).map((node) => node.doneMs - node.startedMs))
  const tenths = sorted(alive.filter((node) => node.tenthMs >= 0).map((node) => node.tenthMs - node.startedMs))
  const bound = lowerBoundMs(options, topology)
  const native = nativeMs(options, topology)
  const [p50Ms, p99Ms, maxMs] = [quantile(times, 0.5), quantile(times, 0.99), quantile(times, 1)]
  const regions = Array.from(wires.importedBytes, (bytes) => Math.round(bytes / options.overhead))
  return {
    nodes: options.nodes,
    sizeBytes: options.size,
    seed: options.seed,
    unfinished: alive.length - done.length,
    died: nodes.length - alive.length,
    p50Ms,
    p99Ms,
    maxMs,
    lowerBoundMs: bound.allMs,
    ratioP50: p50Ms / bound.allMs,
    ratioP99: p99Ms / bound.allMs,
    ratioMax: maxMs / bound.allMs,
    nativeMs: native,
    timesFasterThanNative: native / p99Ms,
    fast: options.slow
      ? {
          p50Ms: quantile(fastTimes, 0.5),
          p99Ms: quantile(fastTimes, 0.99),
          lowerBoundMs: bound.fastMs,
          ratioP99: quantile(fastTimes, 0.99) / bound.fastMs,
        }
      : null,
    firstTenthMs: quantile(tenths, 0.5),
    firstTenthP99Ms: quantile(tenths, 0.99),
    originBytes: Math.round(counters.originBytes),
    originBytesRatio: counters.originBytes / options.size,
    originRequests: counters.originRequests,
    originRefusals: counters.originRefusals,
    uploadedBytes: Math.round(counters.uploadedBytes),
    keptBytes: counters.keptBytes,
    duplicateBytes: counters.duplicateBytes,
    lostBytes: Math.round(counters.lostBytes),
    controlBytes: counters.controlBytes,
    wanBytes: { sum: regions.reduce((sum, bytes) => sum + bytes, 0), regions },
    haves: counters.haves,
    joins: counters.joins,
    leaseAsks: counters.leaseAsks,
    leaseSilences: counters.leaseSilences,
    dials: counters.dials,
    refusedDials: counters.refusedDials,
    links: links.count,
    failures: counters.failures,
    steps: counters.steps,
    events: events.count,
    wallSeconds,
    rssBytes: process.memoryUsage.rss(),
    timesMs: times,
  }
}

function sorted(values: readonly number[]): number[] {
  return values.toSorted((a, b) => a - b)
}

/** The smallest value that at least this part of all values do not exceed; `NaN` where there are none. */
export function quantile(ascending: readonly number[], part: number): number {
  return ascending[Math.max(0, Math.ceil(part * ascending.length) - 1)] ?? NaN
}
