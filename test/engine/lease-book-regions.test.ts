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

  test('each region has its own number of fetchers', () => {
    const book = new AskedBook(8)
    for (const region of ['west', 'east']) {
      for (const name of ['1', '2']) {
        assert.notEqual(book.ask(region + name, { region, count: 1, wanted: book.all }), '........')
      }
      assert.equal(book.ask(`${region} 3`, { region, count: 1, wanted: book.all }), '........')
    }
    assert.equal(book.book.holders(book.now).length, 4)
  })
})
