import { leaseMs, type LeaseRequest } from './lease.ts'

/** A blob is read by this many nodes from the start, and by at most so many. */
const firstFetchers = 2
/** Where there are regions, each flow from afar is slow: more of them are needed from the start. */
const firstFarFetchers = 4
const maxFetchers = 8
/** How long the effect of one more fetcher is watched before the next. */
const addEveryMs = 1000
/** Fresh pieces are to come this many times as fast as the median node loads. */
const enough = 2
/** A holder slower than this part of the fastest gives way. */
const slowPart = 0.25
const rateSamples = 64
/** Runs that a slow holder keeps: what it is reading, which it names first. */
export const keptOfSlow = 2

/** What a holder does, as its asks tell. */
interface Holder {
  number: number
  validUntilMs: number
  /** Pieces read in all, and at what pace lately. */
  readPieces: number
  rate: number
  rateFromMs: number
  ratePieces: number
  readonly supernode: boolean
  /** It was let in, not taken over from another tracker together with what it held. */
  readonly admitted: boolean
}

/** Who reads a blob in one region, how fast, and whether one more would help. */
export class Fetchers {
  readonly #pieceBytes: number
  readonly #holders = new Map<string, Holder>()
  /** Download rates that were lately told, in bytes a second. */
  readonly #rates: number[] = []
  #addedMs = -Infinity
  #rateBefore = 0

  constructor(pieceBytes: number) {
    this.#pieceBytes = pieceBytes
  }

  names(): string[] {
    return [...this.#holders.keys()]
  }

  /** Whose leases were not renewed in time, and when they ended. */
  over(now: number): [string, number][] {
    return [...this.#holders].flatMap(([name, { validUntilMs }]) => (now >= validUntilMs ? [[name, validUntilMs]] : []))
  }

  /** When the lease of a holder ends. */
  overMs(name: string): number | undefined {
    return this.#holders.get(name)?.validUntilMs
  }

  remove(name: string): void {
    this.#holders.delete(name)
  }

  /** A holder reads on unless it holds up the others; who is none may become one. */
  mayReadMore(request: LeaseRequest, now: number, isOneOfMany: boolean): boolean {
    return this.#holders.has(request.holder) ? !this.isSlow(request.holder) : this.#admits(request, now, isOneOfMany)
  }

  /**
   * The holder is alive, and goes on; returns the number of its lease.
   * @param admitted - whether it may read because it was let in
   */
  renew(request: LeaseRequest, now: number, admitted: boolean, nextNumber: () => number): number {
    const before = this.#holders.get(request.holder)
    if (!before) this.#watchAddition(now)
    const holder = before ?? {
      number: nextNumber(),
      validUntilMs: 0,
      readPieces: 0,
      rate: 0,
      rateFromMs: now,
      ratePieces: 0,
      supernode: request.supernode,
      admitted,
    }
    holder.validUntilMs = now + leaseMs
    this.#holders.set(request.holder, holder)
    return holder.number
  }

  /** Whether it holds up the others. */
  isSlow(name: string): boolean {
    const holder = this.#holders.get(name)
    if (!holder || holder.rate === 0 || this.#holders.size < 2) return false
    const fastest = Math.max(...[...this.#holders.values()].map(({ rate }) => rate))
    return holder.rate < fastest * slowPart
  }

  learnRate({ rateBytesPerSecond }: LeaseRequest): void {
    if (rateBytesPerSecond === 0) return
    this.#rates.push(rateBytesPerSecond)
    if (this.#rates.length > rateSamples) this.#rates.shift()
  }

  /** Pace in bytes a millisecond, over a second at a time. */
  learnPace(name: string, read: number, now: number): void {
    const holder = this.#holders.get(name)
    if (!holder) return
    holder.readPieces += read
    holder.ratePieces += read
    const spanMs = now - holder.rateFromMs
    if (spanMs < addEveryMs / 2) return
    holder.rate = (holder.ratePieces * this.#pieceBytes) / spanMs
    holder.rateFromMs = now
    holder.ratePieces = 0
  }

  /** For tests and the simulator: what must hold at any time. */
  broken(): string[] {
    const letIn = [...this.#holders.values()].filter(({ admitted, supernode }) => admitted && !supernode).length
    return letIn > maxFetchers ? [`${letIn} nodes hold leases`] : []
  }

  /** Whether one more node may read. */
  #admits(request: LeaseRequest, now: number, isOneOfMany: boolean): boolean {
    const count = this.#holders.size
    if (request.supernode) return true
    if ([...this.#holders.values()].some(({ supernode, rate }) => supernode && rate * 1000 >= this.#medianRate())) return false
    if (count < (isOneOfMany ? firstFarFetchers : firstFetchers)) return true
    if (count >= maxFetchers || now - this.#addedMs < addEveryMs) return false
    const rate = this.#totalRate()
    const share = rate / count
    if (count > firstFetchers && rate - this.#rateBefore < share / 3) return false
    return rate * 1000 < enough * this.#medianRate() || this.#medianRate() === 0
  }

  /** One more reads: what that brings is seen before the next one is let in. */
  #watchAddition(now: number): void {
    this.#addedMs = now
    if (this.#holders.size >= firstFetchers) this.#rateBefore = this.#totalRate()
  }

  #totalRate(): number {
    let rate = 0
    for (const holder of this.#holders.values()) rate += holder.rate
    return rate
  }

  #medianRate(): number {
    const sorted = this.#rates.toSorted((a, b) => a - b)
    return sorted[Math.floor(sorted.length / 2)] ?? 0
  }
}
