import { UsageError } from './quantities.ts'
import type { SimOptions } from './sim-options.ts'

/** One run of a matrix. */
export interface MatrixRow {
  readonly label: string
  readonly options: Partial<SimOptions>
}

const mib = 1024 ** 2
const gbit = 1e6 / 8

const matrices: Readonly<Record<string, (short: boolean) => MatrixRow[]>> = {
  /** How times grow with the number of nodes. */
  scale: (short) =>
    (short ? [1, 2, 4, 16, 100] : [1, 2, 4, 16, 100, 1000, 10_000]).flatMap((nodes) =>
      [10, 1].map((origin) => ({
        label: `${nodes} nodes, origin ${origin} Gbit/s`,
        options: { nodes, origin: origin * gbit },
      })),
    ),
  /** Blobs for which starting takes longer than bytes. */
  small: (short) =>
    [8, 32, 128].map((size) => ({ label: `${size} MiB`, options: { nodes: short ? 100 : 1000, size: size * mib } })),
  slow: (short) => {
    const nodes = short ? 50 : 1000
    const slow = { fraction: 0.1, rate: 0.1 }
    return [
      { label: 'a tenth at a tenth of the rate', options: { nodes, slow } },
      { label: '... and the first one slow', options: { nodes, slow, slowFirst: true } },
      { label: 'a fifth at a fifth', options: { nodes, slow: { fraction: 0.2, rate: 0.2 } } },
      { label: 'uplinks a fifth of downlinks', options: { nodes, up: 0.2 * gbit } },
    ]
  },
  regions: (short) => {
    const base = { nodes: short ? 60 : 999, regions: 3 }
    return [
      { label: 'pipes of 1 Gbit/s', options: { ...base, wan: gbit } },
      { label: 'pipes of 300 Mbit/s', options: { ...base, wan: 0.3 * gbit } },
      { label: 'pipes of 100 Mbit/s', options: { ...base, wan: 0.1 * gbit } },
      { label: '1 Gbit/s, a fetcher dies at 1 s', options: { ...base, wan: gbit, kill: [{ who: 'fetcher', atMs: 1000 }] } },
    ]
  },
  churn: (short) => {
    const nodes = short ? 50 : 1000
    return [
      { label: 'nobody dies', options: { nodes } },
      { label: 'a tenth dies, reset', options: { nodes, killFraction: 0.1, killHow: 'reset' } },
      { label: 'a tenth dies, silently', options: { nodes, killFraction: 0.1, killHow: 'silent' } },
      { label: 'a fetcher dies at 1 s', options: { nodes, kill: [{ who: 'fetcher', atMs: 1000 }] } },
      { label: 'a fetcher dies at 2 s', options: { nodes, kill: [{ who: 'fetcher', atMs: 2000 }] } },
      { label: 'the tracker dies at 1 s', options: { nodes, kill: [{ who: 'tracker', atMs: 1000 }] } },
      { label: 'tracker, then a fetcher', options: { nodes, kill: [{ who: 'tracker', atMs: 1000 }, { who: 'fetcher', atMs: 1500 }] } },
      { label: 'halves apart from 1 s to 4 s', options: { nodes, partition: { fraction: 0.5, fromMs: 1000, toMs: 4000 } } },
    ]
  },
  /** A crowd that wants next to nothing: what meeting costs. */
  joins: (short) =>
    (short ? [100, 500] : [1000, 10_000]).map((nodes) => ({
      label: `${nodes} nodes, 12 KiB, within 1 s`,
      options: { nodes, size: 12 * 1024 },
    })),
  readers: (short) =>
    (['none', 'quarter', 'all'] as const).map((readers) => ({
      label: `reading in order: ${readers}`,
      options: { nodes: short ? 50 : 1000, readers },
    })),
  trackers: (short) =>
    (['honest', 'never-grants', 'grants-all', 'liars'] as const).map((tracker) => ({
      label: `trackers: ${tracker}`,
      options: { nodes: short ? 50 : 1000, tracker },
    })),
}

export const matrixNames: readonly string[] = Object.keys(matrices)

/** The runs of a matrix; `short` ones are for every day. */
export function matrixRows(name: string, short: boolean): MatrixRow[] {
  const rows = matrices[name]
  if (!rows) throw new UsageError(`--matrix is ${name}; it must be one of ${matrixNames.join(', ')}`)
  return rows(short)
}
