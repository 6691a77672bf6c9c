/** What a metric counts or shows. */
export interface MetricFacts {
  readonly kind: 'counter' | 'gauge'
  readonly help: string
  /** Names of its labels. */
  readonly labels: readonly string[]
}

/**
 * Name of a metric.
 * @public
 */
export type MetricName =
  | 'damselfly_wasted_bytes_total'
  | 'damselfly_bans_total'
  | 'damselfly_bans_reversed_total'
  | 'damselfly_claims_refuted_total'
  | 'damselfly_connections_refused_total'
  | 'damselfly_connections_ended_total'
  | 'damselfly_dials_refused_total'
  | 'damselfly_links_ended_total'
  | 'damselfly_streams_reset_total'

/** All metrics of a node, by name: base units, `_total` for counters. docs/metrics.md lists them. */
export const metricNames: Readonly<Record<MetricName, MetricFacts>> = {
  damselfly_wasted_bytes_total: {
    kind: 'counter',
    help: 'Bytes taken from peers and thrown away: corrupt, refuted, mismatch',
    labels: ['reason'],
  },
  damselfly_bans_total: {
    kind: 'counter',
    help: 'Peers that were banned: piece-hash, claim, protocol, limit',
    labels: ['reason'],
  },
  damselfly_bans_reversed_total: {
    kind: 'counter',
    help: 'Bans that were taken back, as what they rested on fell',
    labels: ['reason'],
  },
  damselfly_claims_refuted_total: {
    kind: 'counter',
    help: 'Claims that turned out false, by how that showed: origin, digest',
    labels: ['by'],
  },
  damselfly_connections_refused_total: {
    kind: 'counter',
    help: 'Connections of others that were refused: address, prefix, rate, pending, total, banned',
    labels: ['reason'],
  },
  damselfly_connections_ended_total: {
    kind: 'counter',
    help: 'Connections that were ended for how the peer used the muxer, by error code',
    labels: ['code'],
  },
  damselfly_dials_refused_total: {
    kind: 'counter',
    help: 'Addresses that peers advertise and that were not dialled',
    labels: [],
  },
  damselfly_links_ended_total: {
    kind: 'counter',
    help: 'Links that were ended for a fault, by error code',
    labels: ['code'],
  },
  damselfly_streams_reset_total: {
    kind: 'counter',
    help: 'Streams of peers that were reset: excess, memory',
    labels: ['reason'],
  },
}
