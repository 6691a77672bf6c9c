import type { ByteCounts, Digest, TransferProgress } from '../index.ts'
import { printTransfer, printBytes } from './event-text.ts'
import type { Output } from './output.ts'
import { renderProgress, type LayerProgress } from './progress-bar.ts'

/** What `onProgress` of a fetch is given. */
export type ProgressReport = (progress: TransferProgress) => void

/** Often enough to look alive, seldom enough to cost nothing. */
const intervalMs = 100

/** Shows a fetch: as JSON lines, as bars on a terminal, and as plain lines elsewhere. */
export function reportProgress(output: Output, now: () => number = () => performance.now()): ProgressReport {
  if (output.json) return jsonProgress(output, now)
  return output.isTerminal ? barProgress(output, now) : plainProgress(output)
}

/** At most one line a blob in each interval, and always its last one. */
function jsonProgress(output: Output, now: () => number): ProgressReport {
  const printedMs = new Map<Digest, number>()
  const print = (digest: Digest, bytes: ByteCounts): void => output.event({ event: 'progress', digest, bytes })
  return (progress) => {
    if (progress.type === 'blob:completed') return print(progress.digest, progress.stats.bytes)
    if (progress.type !== 'blob:progress') return
    const lastMs = printedMs.get(progress.digest)
    if (lastMs !== undefined && now() - lastMs < intervalMs) return
    printedMs.set(progress.digest, now())
    print(progress.digest, progress.bytes)
  }
}

function barProgress(output: Output, now: () => number): ProgressReport {
  const layers = new Map<Digest, LayerProgress>()
  let drawnMs = -Infinity
  return (progress) => {
    if (progress.type === 'image:resolved') {
      for (const { digest, size } of progress.layers) {
        layers.set(digest, { digest, bytes: { total: size, origin: 0, peers: 0, stored: 0 }, complete: false })
      }
    } else {
      // Manifests and configs come by in no time; a bar of theirs would only push the layers down.
      if (!layers.has(progress.digest)) return
      layers.set(progress.digest, layerProgress(progress))
    }
    if (progress.type === 'blob:progress' && now() - drawnMs < intervalMs) return
    drawnMs = now()
    output.live(renderProgress([...layers.values()], output.terminalSize))
  }
}

function layerProgress(progress: Exclude<TransferProgress, { type: 'image:resolved' }>): LayerProgress {
  return progress.type === 'blob:completed'
    ? { digest: progress.digest, bytes: progress.stats.bytes, complete: true }
    : { digest: progress.digest, bytes: progress.bytes, complete: false }
}

/** A line when a layer starts and one when it is complete. */
function plainProgress(output: Output): ProgressReport {
  const layers = new Set<Digest>()
  return (progress) => {
    if (progress.type === 'image:resolved') {
      for (const { digest } of progress.layers) layers.add(digest)
    } else if (!layers.has(progress.digest)) {
      return
    } else if (progress.type === 'blob:started') {
      output.note(`${progress.digest} started: ${printBytes(progress.bytes.total)}`)
    } else if (progress.type === 'blob:completed') {
      output.note(`${progress.digest} complete: ${printTransfer(progress.stats)}`)
    }
  }
}
