interface Entry {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
}

/** Time that passes only from one planned event to the next. Events of one moment run in the order they were planned. */
export class VirtualTime {
  readonly #heap: Entry[] = []
  #order = 0
  #now = 0

  get now(): number {
    return this.#now
  }

  after(delayMs: number, run: () => void): void {
    this.at(this.#now + delayMs, run)
  }

  at(atMs: number, run: () => void): void {
    const heap = this.#heap
    heap.push({ atMs: Math.max(atMs, this.#now), order: this.#order++, run })
    let index = heap.length - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!this.#swapIfSooner(index, parent)) break
      index = parent
    }
  }

  /** Runs what is planned until `done` holds, nothing is left, or the time is over. */
  run(untilMs: number, done: () => boolean = () => false): void {
    while (!done() && this.step(untilMs)) continue
  }

  /** Runs the next thing that is planned; false when there is none until then. */
  step(untilMs: number): boolean {
    const next = this.#heap[0]
    if (!next || next.atMs > untilMs) return false
    this.#takeFirst()
    this.#now = next.atMs
    next.run()
    return true
  }

  #takeFirst(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (!last || heap.length === 0) return
    heap[0] = last
    let index = 0
    for (;;) {
      const left = 2 * index + 1
      const child = left + 1 < heap.length && this.#isSooner(left + 1, left) ? left + 1 : left
      if (child >= heap.length || !this.#swapIfSooner(child, index)) return
      index = child
    }
  }

  #isSooner(a: number, b: number): boolean {
    const [first, second] = [this.#heap[a], this.#heap[b]]
    if (!first || !second) return false
    return first.atMs < second.atMs || (first.atMs === second.atMs && first.order < second.order)
  }

  #swapIfSooner(child: number, parent: number): boolean {
    const [a, b] = [this.#heap[child], this.#heap[parent]]
    if (!a || !b || !this.#isSooner(child, parent)) return false
    this.#heap[parent] = a
    this.#heap[child] = b
    return true
  }
}
