import assert from 'node:assert/strict'
import { constants, PerformanceObserver } from 'node:perf_hooks'
import { test } from 'vitest'
import { countMovedBytes } from '../../src/net/gc-pacing.ts'

const major = Number(process.versions.node.split('.', 1)[0])

test('a minor collection follows every 16 MB moved, from Node 24 on', async () => {
  const forced = await minorCollections(() => {
    for (let moved = 0; moved < 64; moved++) countMovedBytes(1_000_000)
  })
  assert.equal(forced, major >= 24 ? 4 : 0)
})

/** How many collections that somebody asked for ran meanwhile. */
async function minorCollections(run: () => void): Promise<number> {
  let count = 0
  const { promise, resolve } = Promise.withResolvers<void>()
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (entry.entryType === 'mark') resolve()
      const { detail } = entry.toJSON()
      if (detail?.kind === constants.NODE_PERFORMANCE_GC_MINOR) count++
    }
  })
  observer.observe({ entryTypes: ['gc', 'mark'] })
  run()
  performance.mark('done')
  await promise
  observer.disconnect()
  return count
}
