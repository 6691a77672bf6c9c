/** The value that `share` of the values do not exceed, by nearest rank: one of them, never one between. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN
}

/** The middle value, or the mean of the two middle ones. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const [low = NaN, high = NaN] = sorted.length % 2 === 1 ? [sorted[middle], sorted[middle]] : sorted.slice(middle - 1, middle + 1)
  return (low + high) / 2
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

/** Rounds to so many decimals. */
export function round(value: number, decimals = 0): number {
  return Math.round(value * 10 ** decimals) / 10 ** decimals
}

/** A crowd that wants one blob from one origin. */
export interface Crowd {
  readonly sizeBytes: number
  readonly hostCount: number
  readonly originBitsPerSecond: number
  /** Of each host, both ways. */
  readonly hostBitsPerSecond: number
  /** Nodes that give and take nothing for themselves, at the rate of a host. */
  readonly extraUploaders?: number | undefined
}

/**
 * The time before which no way of sharing ends, in milliseconds: the origin must send each byte once, each host must receive all, and together they
 * can send only so much. Headers of packets are not counted: 4 % of a link.
 */
export function lowerBoundMs(crowd: Crowd): number {
  const { sizeBytes, hostCount, originBitsPerSecond, hostBitsPerSecond, extraUploaders = 0 } = crowd
  const sizeBits = 8 * sizeBytes
  const allUploads = originBitsPerSecond + (hostCount + extraUploaders) * hostBitsPerSecond
  return 1000 * Math.max(sizeBits / originBitsPerSecond, sizeBits / hostBitsPerSecond, (hostCount * sizeBits) / allUploads)
}
