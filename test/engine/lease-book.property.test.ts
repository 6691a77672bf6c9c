import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { leaseMs } from '../../src/engine/lease.ts'
import { LeaseBook } from '../../src/engine/lease-book.ts'
import { runsFrom } from '../../src/engine/session-state.ts'
import { fuzzRuns } from '../support/fuzz.ts'
import { piecesIn } from '../support/asked-book.ts'

const readAgainMs = 10_000
/** Leave for what a dead holder had given on to arrive. */
const spreadMs = 500
const regions = ['', 'west', 'east']

interface Holder {
  readonly name: string
  readonly region: string
  readonly supernode: boolean
  /** What it may read, and from whom. */
  lease: Map<number, string | undefined>
  untilMs: number
  /** Pieces that it has read of its leases. */
  readonly has: Set<number>
  /** Of its lease; 0 without one. */
  number: number
}

/** Step of one node: it waits, reads some of what it may, and then asks, gives back, falls silent or is reset. */
const step = fc.record({
  who: fc.nat(13),
  waitMs: fc.constantFrom(0, 10, 400, 1000, 1500, 4000),
  reads: fc.nat(4),
  act: fc.constantFrom('ask', 'ask', 'ask', 'ask', 'ask', 'give back', 'reset'),
  count: fc.nat(12),
  keep: fc.nat(12),
  rate: fc.constantFrom(0, 100_000, 10_000_000),
  takeover: fc.boolean(),
})

/** Honest nodes around one tracker, and what they may expect of it. */
class World {
  now = 500
  readonly book: LeaseBook
  readonly #pieceCount: number
  readonly #holders = new Map<number, Holder>()
  /** By region and piece: when it was told to be read, and by whom. */
  readonly #read = new Map<string, { atMs: number; by: Holder }>()

  constructor(pieceCount: number) {
    this.#pieceCount = pieceCount
    this.book = new LeaseBook(pieceCount, 1024 * 1024)
  }

  run(steps: readonly (typeof step extends fc.Arbitrary<infer Step> ? Step : never)[]): void {
    for (const { who, waitMs, reads, act, ...ask } of steps) {
      this.now += waitMs
      const holder = this.#holderOf(who)
      if (act === 'reset') {
        this.book.gone(holder.name, this.now)
        assert.deepEqual(this.book.broken(this.now), [])
        this.#lose(who, holder)
      } else {
        for (const piece of [...holder.lease.keys()].slice(0, reads)) {
          holder.lease.delete(piece)
          holder.has.add(piece)
          this.#read.set(`${holder.region}/${piece}`, { atMs: this.now, by: holder })
        }
        if (act === 'ask') this.#ask(holder, ask)
        else this.#giveBack(holder)
      }
      this.#check()
    }
  }

  /** Everybody falls silent. */
  end(): void {
    this.now += leaseMs + spreadMs
    const request = { holder: 'last', region: 'north', supernode: true, takeover: false, rateBytesPerSecond: 0 }
    const whole = [{ first: 0, count: this.#pieceCount }]
    const answer = this.book.ask({ ...request, count: this.#pieceCount, held: [], wanted: whole }, this.now, 0)
    assert.deepEqual(answer.grants.flatMap(({ runs }) => piecesIn(runs)).toSorted((a, b) => a - b).length, this.#pieceCount)
  }

  #holderOf(who: number): Holder {
    const known = this.#holders.get(who)
    const isLost = known !== undefined && known.lease.size > 0 && this.now >= known.untilMs
    if (known && !isLost) return known
    if (known) this.#lose(who, known)
    const region = regions[who % regions.length] ?? ''
    const holder = { name: `node ${who}`, region, supernode: who === 0, lease: new Map(), untilMs: 0, has: new Set<number>(), number: 0 }
    this.#holders.set(who, holder)
    return holder
  }

  /** It is another node from now on, without what the one before had. */
  #lose(who: number, holder: Holder): void {
    this.#holders.delete(who)
    for (const [key, { by }] of this.#read) if (by === holder) this.#read.delete(key)
  }

  #ask(holder: Holder, { count, keep, rate, takeover }: { count: number; keep: number; rate: number; takeover: boolean }): void {
    const isFirst = ![...this.#holders.values()].some(({ number }) => number > 0)
    const held = [...holder.lease.keys()].slice(0, keep).toSorted((a, b) => a - b)
    const wanted = this.#pieces().filter((piece) => !holder.has.has(piece) && !held.includes(piece))
    const before = new Set(held)
    const answer = this.book.ask(
      {
        holder: holder.name,
        region: holder.region,
        supernode: holder.supernode,
        takeover: takeover && isFirst,
        count,
        held: runsFrom(held, 64),
        wanted: runsFrom(wanted, 64),
        rateBytesPerSecond: rate,
      },
      this.now,
      0.5,
    )
    assert.deepEqual(this.book.broken(this.now), [])
    const lease = new Map(answer.grants.flatMap(({ source, runs }) => piecesIn(runs).map((piece) => [piece, source] as const)))
    const fresh = [...lease].filter(([piece]) => !before.has(piece))
    assert.ok(fresh.length <= count, 'no more than was asked for')
    for (const [piece, source] of fresh) this.#checkGrant(holder, piece, source, new Set(wanted))
    if (lease.size > 0) assert.ok(answer.number > 0)
    else if (answer.number > 0) assert.ok(this.#isReadElsewhere(holder, wanted), 'a place is kept for what another region reads')
    if (answer.number > 0) {
      assert.equal(answer.validMs, leaseMs)
      if (holder.number > 0 && held.length > 0) assert.equal(answer.number, holder.number)
      holder.untilMs = this.now + answer.validMs
    } else assert.ok(answer.retryAfterMs <= 30_000)
    holder.number = answer.number
    holder.lease = lease
  }

  #checkGrant(holder: Holder, piece: number, source: string | undefined, wanted: ReadonlySet<number>): void {
    assert.ok(wanted.has(piece), `piece ${piece} was not wanted`)
    const here = this.#read.get(`${holder.region}/${piece}`)
    if (here) assert.ok(this.now - here.atMs >= readAgainMs || this.#isSilent(here.by), `piece ${piece} was read here`)
    const elsewhere = regions.flatMap((region) => (region === holder.region ? [] : this.#read.get(`${region}/${piece}`) ?? []))
    const readers = elsewhere.filter(({ by }) => !this.#isSilent(by))
    const beingRead = [...this.#holders.values()].some(
      (other) => other.region !== holder.region && other.lease.has(piece) && this.now < other.untilMs,
    )
    if (source === undefined) assert.ok(readers.length === 0, `piece ${piece} is there in another region`)
    // Who is named has some of what is to be brought in; the others there have the rest.
    else assert.ok(readers.length > 0, `nobody elsewhere has piece ${piece}`)
    if (readers.length === 0) assert.ok(!beingRead, `piece ${piece} is on its way to another region`)
  }

  #isReadElsewhere({ region }: Holder, wanted: readonly number[]): boolean {
    return [...this.#holders.values()].some(
      (other) => other.region !== region && this.now < other.untilMs && wanted.some((piece) => other.lease.has(piece)),
    )
  }

  #giveBack(holder: Holder): void {
    if (holder.number === 0) return
    const wanted = runsFrom([...holder.lease.keys()].toSorted((a, b) => a - b), 64)
    const request = { holder: holder.name, region: holder.region, supernode: false, takeover: false, rateBytesPerSecond: 0 }
    const answer = this.book.ask({ ...request, count: 0, held: [], wanted }, this.now, 0)
    assert.deepEqual(this.book.broken(this.now), [])
    assert.equal(answer.number, 0)
    holder.lease.clear()
    holder.number = 0
  }

  /** What holds whatever happened. */
  #check(): void {
    const leased = new Set<string>()
    for (const { region, lease, untilMs } of this.#holders.values()) {
      if (this.now >= untilMs) continue
      for (const piece of lease.keys()) {
        const key = `${region}/${piece}`
        assert.ok(!leased.has(key), `piece ${piece} is leased to two in one region`)
        leased.add(key)
      }
    }
    for (const region of regions) {
      const holding = [...this.#holders.values()].filter(
        (holder) => holder.region === region && holder.lease.size > 0 && !holder.supernode && this.now < holder.untilMs,
      )
      assert.ok(holding.length <= 8, 'at most eight read in a region')
    }
  }

  /** Its lease ran out: the tracker takes it for dead. */
  #isSilent(holder: Holder): boolean {
    return holder.number > 0 && this.now >= holder.untilMs
  }

  #pieces(): number[] {
    return Array.from({ length: this.#pieceCount }, (_, piece) => piece)
  }
}

describe('the lease book, whatever honest nodes do', () => {
  test('leases never overlap, nothing is granted that was not wanted or is there already, and all is free again in the end', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.array(step, { maxLength: 80 }), (pieceCount, steps) => {
        const world = new World(pieceCount)
        world.run(steps)
        world.end()
      }),
      fuzzRuns(1000),
    )
  })

  test('nodes that claim what they like break nothing but their own luck', () => {
    const run = fc.record({ first: fc.nat(70), count: fc.integer({ min: 1, max: 70 }) })
    const ask = fc.record({
      holder: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k'),
      region: fc.constantFrom(...regions),
      supernode: fc.boolean(),
      takeover: fc.boolean(),
      count: fc.nat(100),
      held: fc.array(run, { maxLength: 4 }),
      wanted: fc.array(run, { maxLength: 4 }),
      rateBytesPerSecond: fc.nat(2 ** 30),
    })
    fc.assert(
      fc.property(fc.array(fc.tuple(ask, fc.nat(3000)), { maxLength: 60 }), (asks) => {
        const book = new LeaseBook(64, 1024)
        let now = 0
        for (const [request, waitMs] of asks) {
          now += waitMs
          const { grants, retryAfterMs } = book.ask(request, now, 0.5)
          const pieces = grants.flatMap(({ runs }) => piecesIn(runs))
          assert.equal(new Set(pieces).size, pieces.length)
          assert.ok(pieces.every((piece) => piece < 64))
          assert.ok(retryAfterMs >= 0)
          assert.deepEqual(book.broken(now), [])
        }
      }),
      fuzzRuns(300),
    )
  })
})
