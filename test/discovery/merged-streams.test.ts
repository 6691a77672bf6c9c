import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { mergedStreams } from '../../src/discovery/merged-streams.ts'

const forever = new Promise<never>(() => {})

async function* counting(name: string, count: number): AsyncGenerator<string> {
  for (let index = 0; index < count; index++) yield `${name}${index}`
}

async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of stream) items.push(item)
  return items
}

describe('mergedStreams', () => {
  test('it yields every item of every stream, those of one stream in order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 5 }), async (counts) => {
        const items = await all(mergedStreams(counts.map((count, index) => counting(`${index}:`, count))))
        for (const [index, count] of counts.entries()) {
          const own = items.filter((item) => item.startsWith(`${index}:`))
          assert.deepEqual(own, await all(counting(`${index}:`, count)))
        }
        assert.equal(items.length, counts.reduce((sum, count) => sum + count, 0))
      }),
      { seed: 3, numRuns: 200 },
    )
  })

  test('a stream that yields nothing does not hold up the others', async () => {
    const stuck = (async function* () {
      yield await forever
    })()
    const merged = mergedStreams<string>([stuck, counting('a', 2)])
    assert.deepEqual([await merged.next(), await merged.next()], [
      { done: false, value: 'a0' },
      { done: false, value: 'a1' },
    ])
    await merged.return()
  })

  test('leaving it ends the streams', async () => {
    const ended: string[] = []
    const endless = async function* (name: string): AsyncGenerator<string> {
      try {
        while (true) yield name
      } finally {
        ended.push(name)
      }
    }
    for await (const _ of mergedStreams([endless('a'), endless('b')])) break
    await new Promise(setImmediate)
    assert.deepEqual(ended.toSorted(), ['a', 'b'])
  })

  test('it fails with the first stream that fails, also while the reader is busy', async () => {
    const failing = (async function* () {
      yield 'one'
      throw new RangeError('broken')
    })()
    const merged = mergedStreams([failing])
    assert.equal((await merged.next()).value, 'one')
    await new Promise(setImmediate)
    await assert.rejects(merged.next(), RangeError)
  })
})
