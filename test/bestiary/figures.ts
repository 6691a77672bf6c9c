import type { MetricName } from '../../src/metrics/metric-names.ts'
import type { MetricLabels, Metrics } from '../../src/metrics/metrics.ts'

/** Adds up what a node tells of itself. */
export class Figures implements Metrics {
  readonly #totals = new Map<string, number>()

  add(name: MetricName, value: number, labels: MetricLabels = {}): void {
    const key = keyOf(name, labels)
    this.#totals.set(key, (this.#totals.get(key) ?? 0) + value)
  }

  set(): void {}

  /** A counter with these labels, or over all of them. */
  of(name: MetricName, labels?: MetricLabels): number {
    if (labels) return this.#totals.get(keyOf(name, labels)) ?? 0
    let total = 0
    for (const [key, value] of this.#totals) if (key.startsWith(`${name} `)) total += value
    return total
  }

  /** Bytes that were taken in and thrown away. */
  wasted(reason?: 'corrupt' | 'refuted' | 'mismatch'): number {
    return this.of('damselfly_wasted_bytes_total', reason && { reason })
  }
}

function keyOf(name: MetricName, labels: MetricLabels): string {
  return `${name} ${JSON.stringify(labels)}`
}
