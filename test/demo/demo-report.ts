import { printBytes } from '../../src/cli/event-text.ts'
import type { TransferStats } from '../../src/index.ts'

/** How one node's pull went. */
export interface NodeReport {
  readonly name: string
  readonly stats: TransferStats
  /** How many peers gave pieces of one and the same blob, at most. */
  readonly mostGivers: number
}

/** What a run of the demo has shown. Sizes are in bytes, shares from 0 to 1. */
export interface DemoFigures {
  readonly nodes: number
  readonly imageBytes: number
  readonly originBytes: number
  /** What as many direct pulls would have cost the origin. */
  readonly directBytes: number
  readonly savedShare: number
  readonly peerBytes: number
  /** Of the bytes between peers, those that came from a node which was still fetching that blob itself. */
  readonly incompleteShare: number
  readonly mostGivers: number
  readonly slowestMs: number
}

/**
 * Adds up what the nodes report and what the origin counted.
 * @param imageBytes - of the manifest, the config and all layers
 * @param originBytes - sent by the origin in all
 */
export function addUp(reports: readonly NodeReport[], imageBytes: number, originBytes: number): DemoFigures {
  const shares = reports.flatMap(({ stats }) => stats.peers)
  const peerBytes = sum(shares.map(({ bytes }) => bytes))
  const directBytes = reports.length * imageBytes
  return {
    nodes: reports.length,
    imageBytes,
    originBytes,
    directBytes,
    savedShare: 1 - originBytes / directBytes,
    peerBytes,
    incompleteShare: peerBytes === 0 ? 0 : sum(shares.map((share) => share.bytesWhileIncomplete)) / peerBytes,
    mostGivers: Math.max(0, ...reports.map(({ mostGivers }) => mostGivers)),
    slowestMs: Math.max(0, ...reports.map(({ stats }) => stats.ms)),
  }
}

/** A line for each node, and what they mean together. */
export function printReport(reports: readonly NodeReport[], figures: DemoFigures): string {
  const rows = reports.map(({ name, stats, mostGivers }) => [
    name,
    printBytes(stats.bytes.origin),
    printBytes(stats.bytes.peers),
    String(mostGivers),
    (stats.ms / 1000).toFixed(1),
  ])
  return [
    ...printTable([['node', 'from origin', 'from peers', 'givers', 'seconds'], ...rows]),
    '',
    `of the bytes between peers, ${percent(figures.incompleteShare)} came from nodes that were still fetching the blob`,
    `up to ${figures.mostGivers} peers gave pieces of one blob to one node`,
    `origin served ${figures.originBytes} of ${figures.directBytes} bytes (${percent(figures.savedShare)} saved)`,
  ].join('\n')
}

/** Columns as wide as their widest cell; the first is flush left, numbers are flush right. */
function printTable(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('   '),
  )
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
