import type { MetricName } from './metric-names.ts'

/**
 * Labels of a metric, by name.
 * @public
 */
export type MetricLabels = Readonly<Record<string, string>>

/**
 * Where a node's figures go: an adapter to the metrics library of your choice. Calls are frequent and must be cheap; what one throws is
 * not caught. No label or value ever holds a secret, a repository or a peer's address.
 * @public
 */
export interface Metrics {
  /** Adds to a counter; `value` is at least 0, in the unit of the name. */
  add(name: MetricName, value: number, labels?: MetricLabels): void
  /** Sets a gauge. */
  set(name: MetricName, value: number, labels?: MetricLabels): void
}

/** Goes nowhere. */
export const noMetrics: Metrics = { add() {}, set() {} }
