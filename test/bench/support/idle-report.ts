import type { ProcessUsage } from './idle-node.ts'
import { printTable } from './table.ts'
import { printMib } from './units.ts'

/** What an idle node takes. Bytes are those of its device in both directions, headers included. */
export interface IdleFigures extends Omit<ProcessUsage, 'cpuSeconds'> {
  readonly measuredMs: number
  readonly cpuPercent: number
  readonly sentBytesPerSecond?: number
  readonly receivedBytesPerSecond?: number
  readonly packetsPerSecond?: number
}

/** Times are in milliseconds since the process was started. */
export interface RestartFigures {
  readonly blobCount: number
  readonly manifestCount: number
  readonly storeOpenMs: number
  readonly nodeUpMs: number
  /** A layer was fetched over a link by its digest. */
  readonly layerFoundMs: number
  /** The first manifest was found through the DHT by a node without multicast. */
  readonly manifestFoundMs: number
  /** All of so many of the most recent manifests were. */
  readonly sampleFoundMs: number
  readonly sampleCount: number
  /** Until then. */
  readonly cpuSeconds: number
  readonly rssBytes: number
  /** From then on. */
  readonly after: IdleFigures
}

/** What all of it came to, for a person. */
export function printFigures({ linked, idle, restart }: { linked: IdleFigures; idle: IdleFigures; restart: RestartFigures }): string {
  const bytes = ({ sentBytesPerSecond, receivedBytesPerSecond, packetsPerSecond }: IdleFigures): string =>
    sentBytesPerSecond === undefined
      ? 'not counted'
      : `${sentBytesPerSecond} B/s out, ${receivedBytesPerSecond} B/s in, ${packetsPerSecond} packets/s`
  const rows = (figures: IdleFigures): string[][] => [
    ['  RSS', printMib(figures.rssBytes)],
    ['  JavaScript heap', printMib(figures.heapBytes)],
    ['  CPU', `${figures.cpuPercent} %`],
    ['  control traffic', bytes(figures)],
  ]
  return printTable([
    [`just started, with ${linked.blobCount} blobs and ${linked.linkCount} links: ${linked.measuredMs / 1000} s`, ''],
    ...rows(linked),
    [`the next ${idle.measuredMs / 1000} s`, ''],
    ...rows(idle),
    [`started on ${restart.blobCount} blobs, ${restart.manifestCount} of them manifests`, ''],
    ['  store open', `${restart.storeOpenMs} ms`],
    ['  node up', `${restart.nodeUpMs} ms`],
    ['  a layer found over a link', `${restart.layerFoundMs} ms`],
    ['  a manifest found by the DHT', `${restart.manifestFoundMs} ms`],
    [`  ${restart.sampleCount} manifests found by the DHT`, `${restart.sampleFoundMs} ms`],
    ['  CPU until then', `${restart.cpuSeconds} s`],
    ['from then on', ''],
    ...rows(restart.after),
  ])
}
