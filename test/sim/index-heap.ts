/**
 * The smallest of many keys, each with a whole number that belongs to it; of equal keys, the one that was pushed
 * first. Flat arrays: a run has hundreds of millions of events, and an object each would be all that it does.
 */
export class IndexHeap {
  #keys = new Float64Array(1024)
  #orders = new Float64Array(1024)
  #values = new Int32Array(1024)
  #size = 0
  #pushed = 0

  get size(): number {
    return this.#size
  }

  /** The smallest key; `Infinity` when there is none. */
  get minKey(): number {
    return this.#size > 0 ? this.#keys[0]! : Infinity
  }

  push(key: number, value: number): void {
    if (this.#size === this.#keys.length) this.#grow()
    const keys = this.#keys
    const orders = this.#orders
    const values = this.#values
    const order = this.#pushed++
    let index = this.#size++
    // What is pushed last is the greatest of its equals: orders need no look on the way up.
    while (index > 0) {
      const parent = (index - 1) >> 2
      if (key >= keys[parent]!) break
      keys[index] = keys[parent]!
      orders[index] = orders[parent]!
      values[index] = values[parent]!
      index = parent
    }
    keys[index] = key
    orders[index] = order
    values[index] = value
  }

  /** Takes out the smallest key and returns its value; there must be one. */
  pop(): number {
    const value = this.#values[0]!
    const last = --this.#size
    if (last > 0) this.#sink(this.#keys[last]!, this.#orders[last]!, this.#values[last]!)
    return value
  }

  /** Puts an entry into the place of the first one, or where it belongs below it. */
  #sink(key: number, order: number, value: number): void {
    const keys = this.#keys
    const orders = this.#orders
    const values = this.#values
    const size = this.#size
    let index = 0
    // Four children: half the levels of a binary heap, and they share a cache line.
    for (let first = 1; first < size; first = 4 * index + 1) {
      let least = first
      const end = Math.min(first + 4, size)
      for (let child = first + 1; child < end; child++) {
        if (keys[child]! < keys[least]! || (keys[child]! === keys[least]! && orders[child]! < orders[least]!)) {
          least = child
        }
      }
      if (key < keys[least]! || (key === keys[least]! && order < orders[least]!)) break
      keys[index] = keys[least]!
      orders[index] = orders[least]!
      values[index] = values[least]!
      index = least
    }
    keys[index] = key
    orders[index] = order
    values[index] = value
  }

  #grow(): void {
    this.#keys = grown(this.#keys, new Float64Array(2 * this.#keys.length))
    this.#orders = grown(this.#orders, new Float64Array(2 * this.#orders.length))
    this.#values = grown(this.#values, new Int32Array(2 * this.#values.length))
  }
}

/** The longer array, with the content of the shorter one. */
export function grown<T extends Float64Array | Int32Array | Uint8Array>(from: T, to: T): T {
  to.set(from)
  return to
}
