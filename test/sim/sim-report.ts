import { printMs, printRate, printSize } from './quantities.ts'
import type { SimOptions } from './sim-options.ts'
import type { SimResult } from './sim-result.ts'

/** A run for people to read. */
export function report(options: SimOptions, result: SimResult): string {
  const { fast, wanBytes } = result
  const lines = [
    title(options),
    '',
    row('', 'median', '99 %', 'last'),
    row('time to the blob', printMs(result.p50Ms), printMs(result.p99Ms), printMs(result.maxMs)),
    row('x lower bound', ratio(result.ratioP50), ratio(result.ratioP99), ratio(result.ratioMax)),
    '',
    fact('lower bound', printMs(result.lowerBoundMs)),
    fact('all from the origin', `${printMs(result.nativeMs)}, ${ratio(result.timesFasterThanNative)} x our 99 %`),
  ]
  if (fast) {
    const times = `${printMs(fast.p50Ms)} median, ${printMs(fast.p99Ms)} 99 %`
    lines.push(fact('fast nodes', `${times}, ${ratio(fast.ratioP99)} x their bound of ${printMs(fast.lowerBoundMs)}`))
  }
  lines.push(
    fact('first tenth in order', `${printMs(result.firstTenthMs)} median, ${printMs(result.firstTenthP99Ms)} 99 %`),
    fact('origin', `${printSize(result.originBytes)}, ${result.originBytesRatio.toFixed(3)} x the blob, ${result.originRequests} requests, ${result.originRefusals} refused`),
    fact('between nodes', `${printSize(result.uploadedBytes)} sent, ${printSize(result.duplicateBytes)} there already, ${printSize(result.lostBytes)} lost`),
    fact('messages', `${printSize(result.controlBytes)}, ${result.haves} haves`),
    fact('meeting', `${result.joins} joins, ${result.leaseAsks} lease asks (${result.leaseSilences} unanswered), ${result.dials} dials, ${result.refusedDials} refused, ${result.links} links`),
  )
  if (options.regions > 1) {
    const each = wanBytes.regions.map((bytes) => (bytes / result.sizeBytes).toFixed(2)).join(', ')
    lines.push(fact('between regions', `${printSize(wanBytes.sum)}; into each, x the blob: ${each}`))
  }
  if (result.died > 0) lines.push(fact('died', String(result.died)))
  if (result.failures > 0) lines.push(fact('sessions that failed', String(result.failures)))
  if (result.unfinished > 0) lines.push(fact('UNFINISHED', `${result.unfinished} nodes`))
  lines.push(fact('this run', `${result.wallSeconds.toFixed(1)} s, ${printSize(result.rssBytes)}, ${result.events} events, ${result.steps} steps`))
  return lines.join('\n')
}

function title({ nodes, size, origin, link, seed, startWithin }: SimOptions): string {
  const what = `${nodes} ${nodes === 1 ? 'node' : 'nodes'}, ${printSize(size)}`
  return `${what}, origin ${printRate(origin)}, links ${printRate(link)}, all started within ${printMs(startWithin)}, seed ${seed}`
}

function row(name: string, ...cells: string[]): string {
  return name.padEnd(24) + cells.map((cell) => cell.padStart(14)).join('')
}

function fact(name: string, text: string): string {
  return name.padEnd(24) + text
}

function ratio(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(2)
}

const columns: readonly (readonly [string, (result: SimResult) => string])[] = [
  ['p50', ({ ratioP50 }) => ratio(ratioP50)],
  ['p99', ({ ratioP99 }) => ratio(ratioP99)],
  ['max', ({ ratioMax }) => ratio(ratioMax)],
  ['fast p99', ({ fast }) => (fast ? ratio(fast.ratioP99) : '')],
  ['p99 time', ({ p99Ms }) => printMs(p99Ms)],
  ['bound', ({ lowerBoundMs }) => printMs(lowerBoundMs)],
  ['x native', ({ timesFasterThanNative }) => ratio(timesFasterThanNative)],
  ['origin x', ({ originBytesRatio }) => originBytesRatio.toFixed(3)],
  ['wan x', ({ wanBytes, sizeBytes }) => (wanBytes.regions.length > 1 ? (wanBytes.sum / sizeBytes).toFixed(2) : '')],
  ['tenth', ({ firstTenthMs }) => printMs(firstTenthMs)],
  ['left', ({ unfinished }) => String(unfinished)],
  ['wall', ({ wallSeconds }) => `${wallSeconds.toFixed(0)} s`],
]

const labelWidth = 34
const cellWidth = 11

/** The head of a table with one row for each run. */
export function tableHead(): string {
  return 'times lower bound:'.padEnd(labelWidth) + columns.map(([name]) => name.padStart(cellWidth)).join('')
}

export function tableRow(label: string, result: SimResult): string {
  return label.padEnd(labelWidth) + columns.map(([, print]) => print(result).padStart(cellWidth)).join('')
}
