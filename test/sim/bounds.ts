import type { SimOptions } from './sim-options.ts'
import type { Topology } from './topology.ts'

export interface Bound {
  /** No schedule lets all nodes have the blob sooner, in milliseconds. */
  readonly allMs: number
  /** Nor lets those that are not slow. */
  readonly fastMs: number
}

/**
 * The fluid lower bound: a blob leaves the origin once, enters the slowest node once, and all copies leave some uplink; of
 * the regions without the origin, each imports it once.
 */
export function lowerBoundMs(options: SimOptions, topology: Topology): Bound {
  const { origin, nodes, regions, wan } = options
  const size = options.size * options.overhead
  let uplinks = 0
  let fastNodes = 0
  let [slowest, slowestFast] = [Infinity, Infinity]
  for (let node = 0; node < nodes; node++) {
    uplinks += topology.up[node]!
    slowest = Math.min(slowest, topology.down[node]!)
    if (topology.slow[node]) continue
    fastNodes++
    slowestFast = Math.min(slowestFast, topology.down[node]!)
  }
  const onceMs = Math.max(size / origin, regions > 1 && wan !== undefined ? size / wan : 0)
  return {
    allMs: Math.max(onceMs, size / slowest, (nodes * size) / (origin + uplinks)),
    fastMs: fastNodes === 0 ? 0 : Math.max(onceMs, size / slowestFast, (fastNodes * size) / (origin + uplinks)),
  }
}

/** How long it takes when every node reads all from the origin at once, with fair shares. */
export function nativeMs(options: SimOptions, topology: Topology): number {
  const { origin, nodes, regions, wan } = options
  const size = options.size * options.overhead
  const slowest = topology.down.reduce((least, rate) => Math.min(least, rate), Infinity)
  const overPipeMs = regions > 1 ? (Math.ceil(nodes / regions) * size) / (wan ?? Infinity) : 0
  const overFlowMs = regions > 1 ? size / options.flowCap : 0
  return Math.max((nodes * size) / origin, size / slowest, overPipeMs, overFlowMs)
}
