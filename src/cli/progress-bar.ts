import type { ByteCounts } from '../index.ts'
import { printBytes } from './event-text.ts'

/** One layer, as the progress display needs it. */
export interface LayerProgress {
  readonly digest: string
  readonly bytes: ByteCounts
  readonly complete: boolean
}

/** Size of a terminal, in characters. */
export interface TerminalSize {
  readonly columns: number
  readonly rows: number
}

const shortDigestLength = 12
const maxBarLength = 40
const minBarLength = 8

/**
 * The lines of a progress display: a bar for each layer. Where the terminal is too low for all, complete layers become
 * one line, and the last ones wait outside.
 */
export function renderProgress(layers: readonly LayerProgress[], { columns, rows }: TerminalSize): string[] {
  // One row stays free for the cursor: writing into it would scroll the first line away for good.
  const room = Math.max(rows - 1, 1)
  const cut = (line: string): string => line.slice(0, Math.max(columns - 1, 0))
  if (layers.length <= room) return layers.map((layer) => cut(renderLayer(layer, columns)))
  const running = layers.filter((layer) => !layer.complete)
  const summary = `${layers.length - running.length} of ${layers.length} layers complete`
  return [cut(summary), ...running.slice(0, room - 1).map((layer) => cut(renderLayer(layer, columns)))]
}

/** `0f3a…  [#####-----]   50 %   32.0 MiB of 64.0 MiB  peers 80 %`. */
function renderLayer({ digest, bytes, complete }: LayerProgress, columns: number): string {
  const here = Math.min(bytes.origin + bytes.peers + bytes.stored, bytes.total)
  const share = complete || bytes.total === 0 ? 1 : here / bytes.total
  const name = digest.slice('sha256:'.length, 'sha256:'.length + shortDigestLength)
  const percent = `${Math.floor(share * 100)} %`.padStart(5)
  const amount = `${printBytes(here).padStart(10)} of ${printBytes(bytes.total)}`
  const facts = `${percent} ${amount}${fromPeers(bytes)}`
  const barLength = Math.min(columns - 1 - name.length - facts.length - 5, maxBarLength)
  return barLength < minBarLength ? `${name} ${facts}` : `${name}  ${renderBar(share, barLength)} ${facts}`
}

function renderBar(share: number, length: number): string {
  const filled = Math.floor(share * length)
  return `[${'#'.repeat(filled)}${'-'.repeat(length - filled)}]`
}

function fromPeers({ origin, peers }: ByteCounts): string {
  const moved = origin + peers
  return moved === 0 ? '' : `  peers ${Math.floor((100 * peers) / moved)} %`
}

/** Lines at the end of a terminal that are drawn over each time. */
export class LiveLines {
  readonly #write: (text: string) => void
  #lines: readonly string[] = []

  constructor(write: (text: string) => void) {
    this.#write = write
  }

  draw(lines: readonly string[]): void {
    this.#write(`${this.#rewind()}${lines.map((line) => `${line}\n`).join('')}`)
    this.#lines = lines
  }

  /** Writes text that stays, above the lines. */
  above(text: string): void {
    this.#write(`${this.#rewind()}${text}${this.#lines.map((line) => `${line}\n`).join('')}`)
  }

  /** The lines stay as they are; the next drawing begins below. */
  release(): void {
    this.#lines = []
  }

  /** Puts the cursor at the first line and erases from there on. */
  #rewind(): string {
    return this.#lines.length === 0 ? '' : `\u001B[${this.#lines.length}A\u001B[0J`
  }
}
