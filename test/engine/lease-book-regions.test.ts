import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { AskedBook } from '../support/asked-book.ts'

/** `a` in the west has read the first piece, reads the second, and has not asked for the others. */
function readInTheWest(): AskedBook {
  const book = new AskedBook(4)
  book.ask('a', { region: 'west', wanted: '**  ' })
  book.now += 500
  assert.equal(book.ask('a', { region: 'west', held: ' *', count: 0 }), '.*..')
  return book
}

describe('the lease book: regions', () => {
  test('a piece that no region has or reads comes from the origin, one that another has from there, one on its way from nowhere', () => {
    const book = readInTheWest()
    assert.equal(book.ask('b', { region: 'east', wanted: '****' }), '..**')
    assert.equal(book.from('a'), '*...')
    assert.deepEqual(new Set(book.last.grants.map(({ source }) => source)), new Set(['a', undefined]))
  })

  test('what was on its way is an import as soon as it was read', () => {
    const book = readInTheWest()
    book.ask('b', { region: 'east', wanted: '*   ' })
    book.now += 500
    book.ask('a', { region: 'west', count: 0, held: '' })
    assert.equal(book.ask('b', { region: 'east', wanted: ' *  ' }), '....')
    assert.equal(book.from('a'), '.*..')
  })

  test('of the same region, nobody gets a second copy', () => {
    const book = readInTheWest()
    book.ask('b', { region: 'east', wanted: '****' })
    assert.equal(book.ask('c', { region: 'east', wanted: '****' }), '....')
    assert.deepEqual(book.last.grants, [])
  })

  test('an import that arrived is there for third regions', () => {
    const book = readInTheWest()
    book.ask('b', { region: 'east', wanted: '*   ' })
    book.ask('b', { region: 'east', count: 0 })
    book.gone('a')
    book.ask('c', { region: 'north', wanted: '*   ' })
    assert.equal(book.from('b'), '*...')
  })

  test('who was let go of a piece by its reader’s death gets it from the origin', () => {
    const book = readInTheWest()
    book.gone('a')
    assert.equal(book.ask('b', { region: 'east', wanted: '**  ' }), '**..')
    assert.equal(book.from('a'), '....')
  })

  test('an import is renewed as one', () => {
    const book = readInTheWest()
    book.ask('b', { region: 'east', wanted: '*   ' })
    book.now += 500
    assert.equal(book.ask('b', { region: 'east', held: '*   ', count: 0 }), '....')
    assert.equal(book.from('a'), '*...')
  })

  test('a piece that its holder gives back unread is no longer on its way', () => {
    const book = readInTheWest()
    book.ask('a', { region: 'west', count: 0, wanted: ' *  ' })
    assert.equal(book.ask('b', { region: 'east', wanted: ' *  ' }), '.*..')
  })

  test('a reader that holds a piece again has it no more', () => {
    const book = readInTheWest()
    assert.equal(book.ask('a', { region: 'west', held: '**  ', count: 0 }), '**..')
    assert.equal(book.ask('b', { region: 'east', wanted: '*   ' }), '....')
    assert.equal(book.from('a'), '....')
  })

  test('each region has its own number of fetchers: two where there is one region, four each where there are more', () => {
    const book = new AskedBook(16)
    const isLetIn = (region: string, name: number): boolean => {
      book.ask(`${region} ${name}`, { region, count: 1, wanted: book.all })
      return book.last.number > 0
    }
    assert.deepEqual([1, 2, 3].map((name) => isLetIn('west', name)), [true, true, false])
    assert.deepEqual([1, 2, 3, 4, 5].map((name) => isLetIn('east', name)), [true, true, true, true, false])
    assert.deepEqual([3, 4, 5].map((name) => isLetIn('west', name)), [true, true, false])
    assert.equal(book.book.holders(book.now).length, 8)
  })

  test('a fetcher that waits for what another region is about to have keeps its place, and is told to come back soon', () => {
    const book = new AskedBook(4)
    book.ask('a', { region: 'west', wanted: '****' })
    assert.equal(book.ask('b', { region: 'east', wanted: '****' }), '....')
    assert.ok(book.last.number > 0)
    assert.equal(book.last.retryAfterMs, 150)
    for (const name of ['c', 'd', 'e', 'f']) book.ask(name, { region: 'east', wanted: '****' })
    assert.equal(book.last.number, 0, 'the fifth')
    assert.deepEqual(book.book.holders(book.now).toSorted(), ['a', 'b', 'c', 'd', 'e'])
    book.ask('a', { region: 'west', count: 0, held: ' ***' })
    assert.equal(book.ask('b', { region: 'east', wanted: '****' }), '....')
    assert.equal(book.from('a'), '*...')
  })

  test('what is to be brought in is one grant, which names who has most of it', () => {
    const book = new AskedBook(4)
    book.ask('a', { region: 'west', wanted: '*   ' })
    book.ask('b', { region: 'west', wanted: ' ***' })
    book.ask('a', { region: 'west', count: 0 })
    book.ask('b', { region: 'west', count: 0 })
    book.ask('c', { region: 'east', wanted: '****' })
    assert.deepEqual(book.last.grants, [{ source: 'b', runs: [{ first: 0, count: 4 }] }])
  })
})
