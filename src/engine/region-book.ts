import { Fetchers, keptOfSlow } from './fetchers.ts'
import type { LeaseRequest } from './lease.ts'

/** Who still finds nobody that has a piece which was read so long ago is allowed to read it again. */
const readAgainMs = 10_000
/** What a dead holder had read a moment ago is still on its way through the swarm: nobody reads it again before it has had time to arrive. */
const spreadMs = 500

const nobody = -1

/** One region's part of a lease book: what is free, leased or read there. */
export class RegionBook {
  readonly #pieceCount: number
  /** By piece: the holder who may read it, or who has read it; and when it was read. */
  readonly #leasedTo: Int32Array
  readonly #readBy: Int32Array
  readonly #readMs: Float64Array
  /** Nobody may read it before. */
  readonly #freeFromMs: Float64Array
  /** Where leased pieces come from, if not from the origin. */
  readonly #sources = new Map<number, string>()
  readonly #fetchers: Fetchers
  /** Names of all who ever held a lease, by the number that stands for them above. */
  readonly #names: string[] = []
  readonly #numbers = new Map<string, number>()
  readonly #goneNames = new Set<number>()

  constructor(pieceCount: number, pieceBytes: number) {
    this.#pieceCount = pieceCount
    this.#fetchers = new Fetchers(pieceBytes)
    this.#leasedTo = new Int32Array(pieceCount).fill(nobody)
    this.#readBy = new Int32Array(pieceCount).fill(nobody)
    this.#readMs = new Float64Array(pieceCount)
    this.#freeFromMs = new Float64Array(pieceCount)
  }

  holders(): string[] {
    return this.#fetchers.names()
  }

  /** Leases that were not renewed are over, and their holders taken for dead. */
  expire(now: number): void {
    for (const [name, overMs] of this.#fetchers.over(now)) this.gone(name, overMs)
  }

  gone(name: string, now: number): void {
    const number = this.#numbers.get(name)
    if (number === undefined) return
    this.#goneNames.add(number)
    this.#fetchers.remove(name)
    // What it had read may be lost with it; who finds it nowhere may read it again.
    for (let piece = 0; piece < this.#pieceCount; piece++) {
      if (this.#leasedTo[piece] === number || this.#readBy[piece] === number) this.#freeFromMs[piece] = now + spreadMs
    }
    this.#free(number)
  }

  /** It holds nothing any more, and is alive. */
  leave(name: string): void {
    const number = this.#numbers.get(name)
    if (number === undefined) return
    this.#fetchers.remove(name)
    this.#free(number)
  }

  /** Takes over from an ask what was read, what is free again, and what is held. */
  settle(request: LeaseRequest, now: number): void {
    this.#fetchers.learnRate(request)
    // Most who ask get nothing, and are not kept.
    if (request.held.length === 0 && !this.#numbers.has(request.holder)) return
    const number = this.#numberOf(request.holder)
    this.#goneNames.delete(number)
    const held = new Set<number>()
    for (const piece of this.#pieces(request.held)) held.add(piece)
    const wanted = new Set<number>(this.#pieces(request.wanted))
    let read = 0
    for (let piece = 0; piece < this.#pieceCount; piece++) {
      // It was dropped, or a new node has the old one's name.
      if (this.#readBy[piece] === number && wanted.has(piece)) this.#readBy[piece] = nobody
      if (this.#leasedTo[piece] !== number || held.has(piece)) continue
      this.#leasedTo[piece] = nobody
      this.#sources.delete(piece)
      if (wanted.has(piece)) continue
      this.#readBy[piece] = number
      this.#readMs[piece] = now
      read++
    }
    this.#fetchers.learnPace(request.holder, read, now)
    for (const piece of held) {
      if (this.#leasedTo[piece] !== nobody) continue
      if (this.#isRead(piece, now) && this.#readBy[piece] !== number) continue
      this.#leasedTo[piece] = number
      this.#readBy[piece] = nobody
    }
    if (this.#fetchers.isSlow(request.holder)) this.#takeFromSlow(request, number)
  }

  /** A holder reads on unless it holds up the others; who is none may become one. */
  mayTakeMore(request: LeaseRequest, now: number, isOneOfMany: boolean): boolean {
    return this.#fetchers.mayReadMore(request, now, isOneOfMany)
  }

  isFree(piece: number, now: number): boolean {
    return this.#leasedTo[piece] === nobody && now >= (this.#freeFromMs[piece] ?? 0) && !this.#isRead(piece, now)
  }

  isLeased(piece: number): boolean {
    return this.#leasedTo[piece] !== nobody
  }

  /** Who has read the piece here and is not known to be gone. */
  readerOf(piece: number): string | undefined {
    const reader = this.#readBy[piece] ?? nobody
    return reader === nobody || this.#goneNames.has(reader) ? undefined : this.#names[reader]
  }

  grant(name: string, piece: number, source: string | undefined): void {
    this.#leasedTo[piece] = this.#numberOf(name)
    this.#readBy[piece] = nobody
    if (source === undefined) this.#sources.delete(piece)
    else this.#sources.set(piece, source)
  }

  /** Pieces that a holder may read, by where they come from. */
  leasesOf(name: string): Map<string | undefined, number[]> {
    const number = this.#numbers.get(name)
    const leases = new Map<string | undefined, number[]>()
    for (let piece = 0; piece < this.#pieceCount; piece++) {
      if (this.#leasedTo[piece] !== number) continue
      const source = this.#sources.get(piece)
      const pieces = leases.get(source)
      if (pieces) pieces.push(piece)
      else leases.set(source, [piece])
    }
    return leases
  }

  /**
   * The holder is alive, and goes on; returns the number of its lease.
   * @param admitted - whether it may read because it was let in
   */
  renew(request: LeaseRequest, now: number, admitted: boolean, nextNumber: () => number): number {
    return this.#fetchers.renew(request, now, admitted, nextNumber)
  }

  broken(now: number): string[] {
    const broken = this.#fetchers.broken()
    for (let piece = 0; piece < this.#pieceCount; piece++) {
      const number = this.#leasedTo[piece] ?? nobody
      if (number === nobody) continue
      const name = this.#names[number] ?? ''
      const overMs = this.#fetchers.overMs(name)
      if (overMs === undefined) broken.push(`piece ${piece} is leased to ${name}, who holds no lease`)
      else if (now >= overMs) broken.push(`the lease of ${name} is over`)
    }
    return broken
  }

  /** Somebody who is not known to be gone has read it, not too long ago. */
  #isRead(piece: number, now: number): boolean {
    const reader = this.#readBy[piece] ?? nobody
    return reader !== nobody && !this.#goneNames.has(reader) && now - (this.#readMs[piece] ?? 0) < readAgainMs
  }

  #free(number: number): void {
    for (let piece = 0; piece < this.#pieceCount; piece++) {
      if (this.#leasedTo[piece] !== number) continue
      this.#leasedTo[piece] = nobody
      this.#sources.delete(piece)
    }
  }

  #numberOf(name: string): number {
    const known = this.#numbers.get(name)
    if (known !== undefined) return known
    this.#numbers.set(name, this.#names.length)
    return this.#names.push(name) - 1
  }

  *#pieces(runs: LeaseRequest['held']): Generator<number> {
    for (const { first, count } of runs) {
      for (let piece = first; piece < Math.min(first + count, this.#pieceCount); piece++) yield piece
    }
  }

  /** While others wait, a slow holder keeps what it is reading, which it names first, and no more. */
  #takeFromSlow(request: LeaseRequest, number: number): void {
    const keep = new Set<number>(request.held.slice(0, keptOfSlow).map(({ first }) => first))
    for (let piece = 0; piece < this.#pieceCount; piece++) {
      if (this.#leasedTo[piece] !== number || keep.has(piece)) continue
      this.#leasedTo[piece] = nobody
      this.#sources.delete(piece)
    }
  }
}
