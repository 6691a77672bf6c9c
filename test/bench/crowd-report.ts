import type { IslandFigures } from './crowd-islands.ts'
import type { CrowdFigures } from './crowd-scenarios.ts'
import { printTable } from './support/table.ts'
import { printMib, printSeconds } from './support/units.ts'

/** A line a scenario, and what it is measured against. */
export function printCrowd(results: readonly CrowdFigures[]): string {
  const [first] = results
  if (!first) return 'nothing was measured'
  const rows = results.map((result) => [
    result.scenario,
    printSeconds(result.p50Ms),
    printSeconds(result.p99Ms),
    printSeconds(result.maxMs),
    `${result.ratioToLowerBound.toFixed(2)} x`,
    result.timesFasterThanNative === undefined ? '-' : `${result.timesFasterThanNative.toFixed(1)} x`,
    `${result.originBytesRatio.toFixed(2)} x`,
    String(result.originRequests),
    `${Math.round(100 * result.cpu.busyShare)} %`,
  ])
  const native = first.nativeMs === undefined ? '' : `; curl: ${printSeconds(first.nativeP50Ms ?? 0)} p50, ${printSeconds(first.nativeMs)} max`
  return [
    `${first.hosts} hosts, ${printMib(first.sizeBytes)}, links ${first.rateBitsPerSecond / 1e6} Mbit/s, ` +
      `registry ${first.originRateBitsPerSecond / 1e6} Mbit/s; lower bound ${printSeconds(first.lowerBoundMs)}${native}`,
    printTable([
      ['scenario', 'p50', 'p99', 'max', 'of bound', 'than curl', 'of blob from registry', 'requests', 'CPU'],
      ...rows,
    ]),
  ].join('\n')
}

/** What crossed between the islands, and how long all took. */
export function printIslands(figures: IslandFigures): string {
  return [
    `two islands of ${figures.hostsPerIsland} hosts, ${printMib(figures.sizeBytes)}, links ${figures.rateBitsPerSecond / 1e6} Mbit/s`,
    printTable([
      ['island', 'p50', 'max', 'from registry'],
      ...figures.islands.map(({ name, p50Ms, maxMs, originBytes }) => [
        name, printSeconds(p50Ms), printSeconds(maxMs), printMib(originBytes),
      ]),
    ]),
    `the registry sent ${figures.originBytesRatio.toFixed(2)} x the blob; ${figures.crossedRatio.toFixed(3)} x crossed between the islands, ` +
      `of ${figures.crossedRatioLimit} x that may (${printMib(figures.crossedInBytes)} into the far one, ${printMib(figures.crossedOutBytes)} back)`,
  ].join('\n')
}
