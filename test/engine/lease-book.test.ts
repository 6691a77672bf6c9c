import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { AskedBook } from '../support/asked-book.ts'

describe('the lease book: what is free, leased and read', () => {
  test('free pieces are granted in the order of the wish, up to the count, for three seconds', () => {
    const book = new AskedBook(6)
    assert.equal(book.ask('a', { count: 3, wantedRuns: [{ first: 4, count: 2 }, { first: 0, count: 2 }] }), '*...**')
    assert.ok(book.last.number > 0)
    assert.equal(book.last.validMs, 3000)
  })

  test('no piece is granted to two', () => {
    const book = new AskedBook(6)
    assert.equal(book.ask('a', { count: 3, wanted: '******' }), '***...')
    assert.equal(book.ask('b', { count: 6, wanted: '******' }), '...***')
    assert.deepEqual(book.book.holders(book.now), ['a', 'b'])
  })

  test('a renewal keeps what is held, under the same number, and adds what is free', () => {
    const book = new AskedBook(6)
    book.ask('a', { count: 2, wanted: '******' })
    const { number } = book.last
    book.now += 500
    assert.equal(book.ask('a', { held: '**', count: 2, wanted: '  ****' }), '****..')
    assert.equal(book.last.number, number)
  })

  test('leases of one blob have different numbers', () => {
    const book = new AskedBook(4)
    book.ask('a', { count: 1, wanted: '****' })
    const { number } = book.last
    book.ask('b', { count: 1, wanted: '****' })
    assert.notEqual(book.last.number, number)
  })

  test('what is in neither list of the next ask was read, and nobody else may read it for ten seconds', () => {
    const book = new AskedBook(4)
    book.ask('a', { wanted: '**  ' })
    book.now += 500
    assert.equal(book.ask('a', { held: ' *', count: 1, wanted: '  **' }), '.**.')
    for (let second = 0; second < 10; second++) {
      assert.equal(book.ask('b', { wanted: '*   ' }), '....')
      book.now += 1000
      book.ask('a', { held: ' **', count: 0 })
    }
    assert.equal(book.ask('b', { wanted: '*   ' }), '*...')
  })

  test('what the holder wants instead of holding it is free', () => {
    const book = new AskedBook(4)
    book.ask('a', { wanted: '****' })
    book.now += 500
    assert.equal(book.ask('a', { held: '**', count: 0, wanted: '  **' }), '**..')
    assert.equal(book.ask('b', { wanted: '****' }), '..**')
  })

  test('giving back frees what was not read', () => {
    const book = new AskedBook(4)
    book.ask('a', { wanted: '****' })
    book.now += 100
    assert.equal(book.ask('a', { count: 0, wanted: ' ***' }), '....')
    assert.deepEqual(book.last, { number: 0, validMs: 0, retryAfterMs: 0, grants: [] })
    assert.deepEqual(book.book.holders(book.now), [])
    assert.equal(book.ask('b', { wanted: '****' }), '.***')
  })

  test('whoever has not asked for three seconds has lost its lease, and what it had read may be read again', () => {
    const book = new AskedBook(4)
    book.ask('a', { wanted: '****' })
    book.now += 100
    book.ask('a', { held: ' ***', count: 0 })
    book.now += 2999
    assert.equal(book.ask('b', { wanted: '****' }), '....')
    book.now += 501
    assert.deepEqual(book.book.holders(book.now), [])
    assert.equal(book.ask('b', { wanted: '****' }), '****')
  })

  test('what a holder lost long ago is free to the first who asks', () => {
    const book = new AskedBook(4)
    book.ask('a', { wanted: '****' })
    book.now += 60_000
    assert.equal(book.ask('b', { wanted: '****' }), '****')
  })

  test('a holder whose link was reset has lost its lease at once', () => {
    const book = new AskedBook(4)
    book.ask('a', { wanted: '**  ' })
    book.now += 100
    book.ask('a', { held: ' *', count: 0 })
    book.gone('a')
    assert.deepEqual(book.book.holders(book.now), [])
    // What it had passed on may still be on its way to who asks.
    book.now += 500
    assert.equal(book.ask('b', { wanted: '****' }), '****')
  })

  test('a reader that comes back had read what it had read', () => {
    const book = new AskedBook(4)
    book.ask('a', { wanted: '****' })
    book.ask('a', { held: ' ***', count: 0 })
    book.gone('a')
    book.ask('a', { held: ' ***', count: 0 })
    book.now += 600
    assert.equal(book.ask('b', { wanted: '*   ' }), '....')
  })

  test('a wish beyond the end of the blob is no wish', () => {
    const book = new AskedBook(3)
    assert.equal(book.ask('a', { count: 9, wantedRuns: [{ first: 2, count: 50 }] }), '..*')
    assert.equal(book.ask('a', { held: '  ******', count: 0 }), '..*')
  })
})

describe('the lease book: what a new tracker learns', () => {
  test('held pieces that are free in the book are the holder’s, those that are another’s are not', () => {
    const book = new AskedBook(6)
    assert.equal(book.ask('a', { held: '***', count: 0 }), '***...')
    assert.equal(book.ask('b', { held: '  ***', count: 0 }), '...**.')
  })

  test('a takeover adopts at once what is held, and grants nothing new for a second', () => {
    const book = new AskedBook(6)
    assert.equal(book.ask('a', { takeover: true, held: '**', count: 2, wanted: '  ****' }), '**....')
    book.now += 400
    assert.equal(book.ask('b', { takeover: true, held: '  *', count: 2, wanted: '   ***' }), '..*...')
    assert.equal(book.ask('c', { wanted: '******' }), '......')
    // In time for the end of the second.
    assert.ok(book.last.retryAfterMs <= 600)
    book.now += 600
    assert.equal(book.ask('a', { held: '**', count: 2, wanted: '   ***' }), '**.**.')
  })

  test('a takeover of a blob that the tracker knows changes nothing', () => {
    const book = new AskedBook(4)
    book.ask('a', { count: 1, wanted: '****' })
    assert.equal(book.ask('b', { takeover: true, count: 1, wanted: '****' }), '.*..')
  })

  test('at a clock that begins at zero too', () => {
    const book = new AskedBook(4)
    book.now = 0
    book.ask('a', { count: 1, wanted: '****' })
    assert.equal(book.ask('b', { takeover: true, count: 1, wanted: '****' }), '.*..')
  })

  test('held pieces that count as free again, for their reader is gone or read them long ago, are the holder’s', () => {
    for (const lose of [(book: AskedBook) => book.gone('a'), (book: AskedBook) => void (book.now += 10_000)]) {
      const book = new AskedBook(4)
      book.ask('a', { wanted: '*   ' })
      book.ask('a', { count: 0, held: '', wanted: '' })
      lose(book)
      assert.equal(book.ask('b', { held: '*   ', count: 0 }), '*...')
      book.now += 1000
      assert.equal(book.ask('c', { wanted: '*   ' }), '....')
    }
  })

  test('holders of a tracker that died may be more than a tracker would allow', () => {
    const book = new AskedBook(12)
    for (let index = 0; index < 12; index++) {
      const held = ' '.repeat(index) + '*'
      assert.equal(book.ask(`holder ${index}`, { takeover: true, held, count: 0 }).indexOf('*'), index)
    }
    book.now += 1000
    assert.equal(book.ask('one more', { wanted: book.all }), '.'.repeat(12))
  })
})

describe('the lease book: when to come back', () => {
  function askers(count: number, book: AskedBook): number {
    for (let index = 0; index < count; index++) book.ask(`asker ${index}`, { wanted: book.all })
    return book.last.retryAfterMs
  }

  function fullBook(): AskedBook {
    const book = new AskedBook(2)
    book.ask('holder', { wanted: '**' })
    return book
  }

  test.for([
    [1, 1000],
    [1000, 1000],
    [1500, 1500],
    [5000, 5000],
  ] as const)('of %i askers in a second the last one waits %i ms at least', ([count, waitMs]) => {
    assert.equal(askers(count, fullBook()), waitMs)
  })

  test('those who were refused together come back apart', () => {
    const book = fullBook()
    const first = askers(1, book)
    book.chance = 0.999
    assert.ok(askers(1, book) > first * 1.4)
  })

  test('the crowd of the last second counts, that of the one before does not', () => {
    const book = fullBook()
    askers(3000, book)
    book.now += 1000
    book.ask('holder', { held: '**', count: 0 })
    assert.equal(askers(1, book), 3000)
    book.now += 2000
    book.ask('holder', { held: '**', count: 0 })
    assert.equal(askers(1, book), 1000)
  })

  test('no wait is longer than half a minute', () => {
    assert.equal(askers(40_000, fullBook()), 30_000)
  })
})
