import type { Random } from '../../src/core/random.ts'

const placeBytes = 32
/** Bits of a place that are looked at to find neighbours: enough for any number of nodes that fits into memory. */
const prefixBits = 48
/** Nodes that a routing table keeps at each distance. */
const bucketSize = 20

export function drawPlace(random: Random): Uint8Array {
  return Uint8Array.from({ length: placeBytes }, () => random.below(256))
}

/** Where all nodes stand on the ring, and whom each of them knows before a run: a Kademlia routing table's content. */
export class Places {
  readonly #places: readonly Uint8Array[]
  /** Nodes in the order of their places. */
  readonly #sorted: Int32Array
  readonly #prefixes: Float64Array

  constructor(places: readonly Uint8Array[]) {
    this.#places = places
    const prefixes = places.map(prefixOf)
    this.#sorted = Int32Array.from(places.keys()).sort((a, b) => (prefixes[a] ?? 0) - (prefixes[b] ?? 0))
    this.#prefixes = Float64Array.from(this.#sorted, (node) => prefixes[node] ?? 0)
  }

  of(node: number): Uint8Array {
    return this.#places[node]!
  }

  /** Up to twenty random nodes at each distance that is a power of two. */
  view(node: number, random: Random): number[] {
    const prefix = prefixOf(this.of(node))
    const view: number[] = []
    let [from, to] = [0, this.#sorted.length]
    for (let bit = 0; bit < prefixBits && to - from > 1; bit++) {
      // Nodes from here on have a 1 in this bit; those before, down to `from`, a 0.
      const unit = 2 ** (prefixBits - 1 - bit)
      const isOne = Math.floor(prefix / unit) % 2 === 1
      const middle = this.#indexOf(Math.floor(prefix / (2 * unit)) * 2 * unit + unit)
      this.#draw(isOne ? from : middle, isOne ? middle : to, random, view)
      if (isOne) from = middle
      else to = middle
    }
    return view
  }

  #draw(from: number, to: number, random: Random, into: number[]): void {
    if (to - from <= bucketSize) {
      for (let index = from; index < to; index++) into.push(this.#sorted[index]!)
      return
    }
    const drawn = new Set<number>()
    while (drawn.size < bucketSize) drawn.add(this.#sorted[from + random.below(to - from)]!)
    into.push(...drawn)
  }

  /** The first node whose prefix is not below `prefix`. */
  #indexOf(prefix: number): number {
    let [low, high] = [0, this.#prefixes.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#prefixes[middle]! < prefix) low = middle + 1
      else high = middle
    }
    return low
  }
}

function prefixOf(place: Uint8Array): number {
  let prefix = 0
  for (let index = 0; index < prefixBits / 8; index++) prefix = prefix * 256 + (place[index] ?? 0)
  return prefix
}
