/**
 * How many of the nearest nodes the density is read from: the estimate is off by about 1/sqrt(16), a quarter. With
 * more of them it reaches beyond the neighbourhood that a node knows well.
 */
const densitySample = 16

/**
 * Orders two places by their distance to a third: negative when `a` is nearer, 0 when they are the same place. A
 * node's place is the SHA-256 of its peer id, a digest's place is the digest; distances are XORs, read as numbers.
 */
export function compareDistance(a: Uint8Array, b: Uint8Array, target: Uint8Array): number {
  for (let index = 0; index < target.length; index++) {
    const byte = target[index] ?? 0
    const difference = ((a[index] ?? 0) ^ byte) - ((b[index] ?? 0) ^ byte)
    if (difference !== 0) return difference
  }
  return 0
}

/** Whether `a` is strictly nearer to `target` than `b`. */
export function isNearer(a: Uint8Array, b: Uint8Array, target: Uint8Array): boolean {
  return compareDistance(a, b, target) < 0
}

/**
 * How many nodes the network has, this one included, judged by how densely the known ones lie around its own place;
 * never less than are known. It is right to a factor of two when the nodes nearest to this one are known.
 */
export function estimateCount(places: Iterable<Uint8Array>, own: Uint8Array): number {
  let known = 0
  const others = function* (): Generator<Uint8Array> {
    for (const place of places) {
      if (compareDistance(place, own, own) === 0) continue
      known++
      yield place
    }
  }
  const nearest = smallest(others(), densitySample, (a, b) => compareDistance(a, b, own))
  const farthest = nearest.at(-1)
  // Of n random numbers from 0 to 1 the k-th smallest, d, has the mean of (k - 1) / d at n: k / d would be too high.
  const byDensity = farthest === undefined ? 0 : (nearest.length - 1) / distance(farthest, own)
  return 1 + Math.max(known, Math.round(byDensity))
}

/** The `count` smallest of many items, in order, without sorting the others. */
export function smallest<T>(items: Iterable<T>, count: number, compare: (a: T, b: T) => number): T[] {
  const chosen: T[] = []
  if (count <= 0) return chosen
  for (const item of items) {
    const last = chosen.at(-1)
    if (chosen.length >= count && last !== undefined && compare(item, last) >= 0) continue
    let at = chosen.length
    for (let before = chosen[at - 1]; before !== undefined && compare(item, before) < 0; before = chosen[at - 1]) at--
    chosen.splice(at, 0, item)
    if (chosen.length > count) chosen.pop()
  }
  return chosen
}

/** A part of the whole ring, from 0 to 1. */
function distance(place: Uint8Array, own: Uint8Array): number {
  let part = 0
  for (let index = own.length - 1; index >= 0; index--) part = (part + ((place[index] ?? 0) ^ (own[index] ?? 0))) / 256
  return part
}
