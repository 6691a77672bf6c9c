import { leaseMs, type LeaseAnswer, type LeaseGrantTo, type LeaseRequest } from './lease.ts'
import { RegionBook } from './region-book.ts'
import { runsFrom } from './session-state.ts'

/** A tracker that takes over from another waits this long to hear what is held. */
const takeoverMs = 1000
/** Soonest that a node which got nothing may ask again. */
const minRetryMs = 1000
/** A holder that wants more than there is. */
const holderRetryMs = 150
/** What one more asker a second costs the others, in milliseconds of waiting. */
const retryMsPerAsker = 1
const maxRetryMs = 30_000
/** Nodes that were refused together do not come back together. */
const jitter = 0.5
const maxRuns = 64

/** The leases of one blob at its tracker: who may read which pieces from the origin. */
export class LeaseBook {
  readonly #pieceCount: number
  readonly #pieceBytes: number
  readonly #regions = new Map<string, RegionBook>()
  #knownFromMs = 0
  #nextNumber = 1
  #usedMs = -Infinity
  /** Askers that got nothing, in this second and in the one before. */
  #refused = { secondMs: 0, count: 0, before: 0 }

  constructor(pieceCount: number, pieceBytes: number) {
    this.#pieceCount = pieceCount
    this.#pieceBytes = pieceBytes
  }

  /** When it was last asked. */
  get usedMs(): number {
    return this.#usedMs
  }

  /** Who may read now, over all regions. */
  holders(now: number): string[] {
    const holders: string[] = []
    for (const region of this.#regions.values()) {
      region.expire(now)
      holders.push(...region.holders())
    }
    return holders
  }

  /** Grants, renews or takes back. `chance` is a random number below 1. */
  ask(request: LeaseRequest, now: number, chance: number): LeaseAnswer {
    const isNew = this.#usedMs === -Infinity
    this.#usedMs = now
    if (isNew && request.takeover) this.#knownFromMs = now + takeoverMs
    const region = this.#region(request.region)
    for (const each of this.#regions.values()) each.expire(now)
    region.settle(request, now)
    if (request.count === 0 && request.held.length === 0) {
      region.leave(request.holder)
      return refusal(0)
    }
    const waitMs = this.#knownFromMs - now
    const isAdmitted = waitMs <= 0 && request.count > 0 && region.mayTakeMore(request, now, this.#regions.size > 1)
    const { missing, elsewhere } = isAdmitted ? this.#grant(region, request, now) : { missing: request.count, elsewhere: 0 }
    const grants = this.#grantsOf(region, request.holder)
    // Whoever waits for what another region is about to have keeps its place.
    const isKept = grants.length > 0 || elsewhere > 0
    const retryAfterMs = waitMs > 0 ? waitMs : missing === 0 ? 0 : this.#retryAfter(isKept, now, chance)
    if (!isKept) {
      region.leave(request.holder)
      return refusal(retryAfterMs)
    }
    const number = region.renew(request, now, isAdmitted, () => this.#nextNumber++)
    return { number, validMs: leaseMs, retryAfterMs, grants }
  }

  /** The holder is known to be gone: others may read what it was to read, and what it had read and not given on. */
  gone(holder: string, now: number): void {
    for (const region of this.#regions.values()) {
      region.expire(now)
      region.gone(holder, now)
    }
  }

  /** For tests and the simulator: what must hold after every call. Leases are found to be over when somebody asks: not before. */
  broken(now: number): string[] {
    const askedMs = Math.min(now, this.#usedMs)
    return [...this.#regions.values()].flatMap((region) => region.broken(askedMs))
  }

  #region(name: string): RegionBook {
    const known = this.#regions.get(name)
    if (known) return known
    const region = new RegionBook(this.#pieceCount, this.#pieceBytes)
    this.#regions.set(name, region)
    return region
  }

  /** Returns how many of the pieces that were asked for there are not, and how many wanted ones another region is about to have. */
  #grant(region: RegionBook, request: LeaseRequest, now: number): { missing: number; elsewhere: number } {
    let left = request.count
    let elsewhere = 0
    for (const run of request.wanted) {
      const end = Math.min(run.first + run.count, this.#pieceCount)
      for (let piece = run.first; piece < end && left > 0; piece++) {
        if (!region.isFree(piece, now)) continue
        const source = this.#sourceOf(region, piece)
        if (source === nobodyYet) {
          elsewhere++
          continue
        }
        region.grant(request.holder, piece, source)
        left--
      }
    }
    return { missing: left, elsewhere }
  }

  /** Where a piece is to come from: the origin unless another region has it, and nobody yet while another is about to have it. */
  #sourceOf(own: RegionBook, piece: number): string | undefined | typeof nobodyYet {
    if (this.#regions.size === 1) return undefined
    let leased = false
    for (const region of this.#regions.values()) {
      if (region === own) continue
      const reader = region.readerOf(piece)
      if (reader !== undefined) return reader
      leased ||= region.isLeased(piece)
    }
    return leased ? nobodyYet : undefined
  }

  /** What is to be brought in is one grant, from who has most of it: others in its region have it by now as well. */
  #grantsOf(region: RegionBook, holder: string): LeaseGrantTo[] {
    const bySource = region.leasesOf(holder)
    const fromOrigin = bySource.get(undefined) ?? []
    bySource.delete(undefined)
    const grants = fromOrigin.length > 0 ? [grantOf(undefined, fromOrigin)] : []
    if (bySource.size === 0) return grants
    const [most] = [...bySource].toSorted(([, a], [, b]) => b.length - a.length)
    return [...grants, grantOf(most?.[0], [...bySource.values()].flat())]
  }

  #retryAfter(granted: boolean, now: number, chance: number): number {
    if (granted) return holderRetryMs
    const second = this.#refused
    if (now - second.secondMs >= 1000) {
      second.before = now - second.secondMs < 2000 ? second.count : 0
      second.count = 0
      second.secondMs = now
    }
    second.count++
    const askers = Math.max(second.count, second.before)
    return Math.min(maxRetryMs, Math.max(minRetryMs, askers * retryMsPerAsker) * (1 + jitter * chance))
  }
}

const nobodyYet: unique symbol = Symbol('another region is about to have it')

function grantOf(source: string | undefined, pieces: readonly number[]): LeaseGrantTo {
  return { source, runs: runsFrom(pieces.toSorted((a, b) => a - b), maxRuns) }
}

function refusal(retryAfterMs: number): LeaseAnswer {
  return { number: 0, validMs: 0, retryAfterMs, grants: [] }
}
