import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { AskedBook, piecesOf } from '../support/asked-book.ts'

const mibPerSecond = 1024 * 1024
const pieceCount = 400

/** A blob that some nodes read at a steady pace, asking twice a second, while others ask in vain. */
class ReadBlob {
  readonly book = new AskedBook(pieceCount)
  /** By holder: the pieces that it may read, in order. */
  readonly #leases = new Map<string, number[]>()
  /** Of each, in pieces of 1 MiB a second. */
  readonly paces = new Map<string, number>()
  /** What those who wait say that they load. */
  rateOfOthers = 0

  /** Whether a node that asks for something is let in. */
  enter(holder: string, pace: number, supernode = false): boolean {
    this.paces.set(holder, pace)
    this.#ask(holder, [], supernode)
    return this.#leases.has(holder)
  }

  get holders(): string[] {
    return this.book.book.holders(this.book.now)
  }

  pieces(holder: string): readonly number[] {
    return this.#leases.get(holder) ?? []
  }

  /** Lets half seconds pass. */
  go(halves: number): void {
    for (; halves > 0; halves--) {
      this.book.now += 500
      for (const [holder, pieces] of Array.from(this.#leases)) {
        this.#ask(holder, pieces.slice((this.paces.get(holder) ?? 0) / 2), false)
      }
    }
  }

  #ask(holder: string, held: readonly number[], supernode: boolean): void {
    const window = 20
    const drawing = (marked: (piece: number) => boolean): string =>
      Array.from({ length: pieceCount }, (_, piece) => (marked(piece) ? '*' : ' ')).join('')
    const read = new Set([...this.#read, ...(this.#leases.get(holder) ?? []).filter((piece) => !held.includes(piece))])
    this.#read = read
    const drawn = this.book.ask(holder, {
      held: drawing((piece) => held.includes(piece)),
      wanted: drawing((piece) => !held.includes(piece) && !read.has(piece)),
      count: window - held.length,
      rate: this.rateOfOthers,
      supernode,
    })
    const pieces = piecesOf(drawn)
    if (pieces.length > 0) this.#leases.set(holder, pieces)
    else this.#leases.delete(holder)
  }

  #read: ReadonlySet<number> = new Set()
}

/** A blob that `a` and `b` read, each with some pieces a second, when a second has passed. */
function readByTwo(pace: number, rateOfOthers: number): ReadBlob {
  const blob = new ReadBlob()
  blob.rateOfOthers = rateOfOthers
  assert.ok(blob.enter('a', pace))
  assert.ok(blob.enter('b', pace))
  blob.go(2)
  return blob
}

describe('the lease book: how many fetchers', () => {
  test('two to begin with', () => {
    const book = new AskedBook(9)
    assert.equal(book.ask('a', { count: 3, wanted: book.all }), '***......')
    assert.equal(book.ask('b', { count: 3, wanted: book.all }), '...***...')
    assert.equal(book.ask('c', { count: 3, wanted: book.all }), '.........')
  })

  test('a third when a second has passed, if fresh pieces come slower than twice as fast as the median node loads', () => {
    assert.ok(readByTwo(4, 5 * mibPerSecond).enter('c', 4))
    assert.ok(!readByTwo(4, 4 * mibPerSecond).enter('c', 4))
  })

  test('not before that second is over', () => {
    const blob = new ReadBlob()
    blob.rateOfOthers = 100 * mibPerSecond
    blob.enter('a', 4)
    blob.enter('b', 4)
    blob.go(1)
    assert.ok(!blob.enter('c', 4))
    blob.go(1)
    assert.ok(blob.enter('c', 4))
  })

  test('up to eight, one a second, while each adds its share', () => {
    const blob = readByTwo(4, 100 * mibPerSecond)
    for (let count = 3; count <= 8; count++) {
      assert.ok(blob.enter(`fetcher ${count}`, 4), `${count} fetchers`)
      assert.ok(!blob.enter('too soon', 4))
      blob.go(2)
    }
    assert.ok(!blob.enter('the ninth', 4))
    assert.equal(blob.holders.length, 8)
  })

  test('no more when the last one added less than a third of its share', () => {
    for (const [pace, isWorth] of [
      [4, true],
      [0, false],
    ] as const) {
      const blob = readByTwo(8, 100 * mibPerSecond)
      assert.ok(blob.enter('c', pace))
      blob.go(2)
      assert.equal(blob.enter('d', 4), isWorth)
    }
  })

  test('who was let in and found nothing to read does not count as added', () => {
    const book = new AskedBook(4)
    book.ask('a', { count: 2, wanted: '****' })
    book.ask('b', { count: 2, wanted: '****' })
    book.now += 1000
    assert.equal(book.ask('c', { wanted: '****' }), '....')
    // Two pieces come free at once.
    assert.equal(book.ask('b', { count: 0, wanted: '  **' }), '....')
    book.ask('d', { count: 1, wanted: '****' })
    book.now += 500
    assert.equal(book.ask('a', { count: 0, held: '**' }), '**..')
    assert.equal(book.ask('d', { count: 0, held: '  *' }), '..*.')
    book.now += 499
    assert.equal(book.ask('e', { wanted: '****' }), '....')
    book.now += 1
    assert.equal(book.ask('e', { wanted: '****' }), '...*')
  })

  test('a place that a fetcher leaves is free for the next one at once', () => {
    const book = new AskedBook(9)
    book.ask('a', { count: 1, wanted: book.all })
    book.ask('b', { count: 1, wanted: book.all })
    book.ask('a', { count: 0, wanted: '*' })
    assert.equal(book.ask('c', { count: 1, wanted: book.all }), '*........')
  })

  test('a holder slower than a quarter of the fastest keeps what it is reading, and gets nothing new', () => {
    const book = new AskedBook(40)
    book.ask('slow', { wanted: '**** ****' })
    book.ask('fast', { count: 12, wanted: book.all })
    book.now += 500
    const fast = { held: '             ********', count: 0 }
    book.ask('fast', fast)
    const kept = book.ask('slow', { held: ' *** ****', count: 9, wanted: ' '.repeat(30) + '*'.repeat(10) })
    assert.deepEqual(kept.slice(0, 9), '.*...*...')
    assert.equal(kept.slice(9).indexOf('*'), -1)
    // What it gave up is for the fast one, and not for itself again.
    assert.equal(book.ask('slow', { held: ' *   *', count: 9, wanted: '  **  ***' }), kept)
    assert.equal(book.ask('fast', { ...fast, count: 2, wanted: '  **  ***' }).slice(0, 9), '..**.....')
  })

  test('a holder half as fast as the fastest is left alone', () => {
    const blob = new ReadBlob()
    blob.enter('fast', 10)
    blob.enter('slower', 4)
    blob.go(4)
    assert.equal(blob.pieces('slower').length, 20)
  })
})

describe('the lease book: supernodes', () => {
  test('one is let in whoever reads already', () => {
    const book = new AskedBook(9)
    book.ask('a', { count: 1, wanted: book.all })
    book.ask('b', { count: 1, wanted: book.all })
    assert.equal(book.ask('super', { count: 1, wanted: book.all, supernode: true }), '..*......')
  })

  test('others wait while it reads at least as fast as they load', () => {
    for (const [pace, waits] of [
      [10, true],
      [4, false],
    ] as const) {
      const blob = new ReadBlob()
      blob.rateOfOthers = 6 * mibPerSecond
      assert.ok(blob.enter('super', pace, true))
      blob.go(2)
      assert.equal(!blob.enter('a', 4), waits)
    }
  })

  test('nine supernodes are none too many', () => {
    const book = new AskedBook(12)
    for (let index = 0; index < 12; index++) {
      const drawn = book.ask(`super ${index}`, { count: 1, wanted: book.all, supernode: true })
      assert.equal(drawn.indexOf('*'), index)
    }
  })
})
