import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { SharedSlices } from '../../src/swarm/shared-slices.ts'

function counting(): { slices: SharedSlices; reads: string[]; fail: (error: Error | undefined) => void } {
  const reads: string[] = []
  let failure: Error | undefined
  const slices = new SharedSlices(async ({ offset, length }) => {
    reads.push(`${offset}+${length}`)
    if (failure) throw failure
    return new Uint8Array(length).fill(offset)
  })
  return { slices, reads, fail: (error) => (failure = error) }
}

describe('SharedSlices', () => {
  test('reads once what several want', async () => {
    const { slices, reads } = counting()
    const [first, second] = await Promise.all([slices.read({ offset: 1, length: 2 }), slices.read({ offset: 1, length: 2 })])
    assert.equal(first, second)
    assert.deepEqual([await slices.read({ offset: 1, length: 2 }), reads], [Uint8Array.of(1, 1), ['1+2']])
    await slices.read({ offset: 1, length: 3 })
    assert.deepEqual(reads, ['1+2', '1+3'])
  })

  test('reads anew what failed, and what was cleared', async () => {
    const { slices, reads, fail } = counting()
    fail(new TypeError('gone'))
    await assert.rejects(slices.read({ offset: 0, length: 1 }), TypeError)
    fail(undefined)
    await slices.read({ offset: 0, length: 1 })
    slices.clear()
    await slices.read({ offset: 0, length: 1 })
    assert.equal(reads.length, 3)
  })

  test('keeps 16 MiB', async () => {
    const { slices, reads } = counting()
    const mib = 1024 * 1024
    for (let index = 0; index < 17; index++) await slices.read({ offset: index * mib, length: mib })
    await slices.read({ offset: 16 * mib, length: mib })
    await slices.read({ offset: 0, length: mib })
    assert.deepEqual(reads.slice(16), [`${16 * mib}+${mib}`, `0+${mib}`])
  })
})
