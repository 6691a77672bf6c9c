import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { RequestBook } from '../../src/engine/request-book.ts'

describe('RequestBook', () => {
  test('finds a request by link and piece, and all of a piece', () => {
    const book = new RequestBook()
    book.add(1, 7, 100, 5)
    book.add(2, 7, 100, 6)
    book.add(2, 8, 100, 6)
    assert.equal(book.count, 3)
    assert.equal(book.linkCount, 2)
    assert.deepEqual([book.countOf(1), book.countOf(2), book.countOf(3)], [1, 2, 0])
    assert.deepEqual(book.of(7).map(({ link }) => link), [1, 2])
    assert.deepEqual(book.find(2, 7), {
      link: 2,
      piece: 7,
      sizeBytes: 100,
      sentMs: 6,
      sent: false,
      movedMs: 6,
      paceBytes: 0,
      paceMs: 6,
      arrived: false,
    })
    assert.equal(book.find(1, 8), undefined)
  })

  test('requests may be removed while all are walked', () => {
    const book = new RequestBook()
    for (const piece of [1, 2, 3]) for (const link of [1, 2]) book.add(link, piece, 1, 0)
    for (const request of book.all()) book.remove(request)
    assert.deepEqual([book.count, book.linkCount, book.all()], [0, 0, []])
  })

  test('a request that is not in the book is not removed twice', () => {
    const book = new RequestBook()
    book.add(1, 1, 1, 0)
    const [request] = book.all()
    assert.ok(request)
    book.remove(request)
    book.remove(request)
    assert.deepEqual([book.count, book.countOf(1)], [0, 0])
  })

  test('counts agree with the list, whatever happens', () => {
    const change = fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 4 }), fc.nat(5))
    fc.assert(
      fc.property(fc.array(change, { maxLength: 80 }), (changes) => {
        const book = new RequestBook()
        for (const [add, link, piece] of changes) {
          const request = book.find(link, piece)
          if (add && !request) book.add(link, piece, 1, 0)
          if (!add && request) book.remove(request)
        }
        const all = book.all()
        assert.equal(book.count, all.length)
        assert.equal(book.linkCount, new Set(all.map(({ link }) => link)).size)
        for (const link of [1, 2, 3, 4]) {
          assert.equal(book.countOf(link), all.filter((request) => request.link === link).length)
        }
        for (const request of all) assert.ok(book.of(request.piece).includes(request))
      }),
      { numRuns: 300, seed: 1 },
    )
  })
})
