import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { KeyedLock } from '../../src/store/keyed-lock.ts'

/** Work that ends when it is told to. */
function openEnded(log: string[], name: string): { work: () => Promise<string>; end: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return {
    end: resolve,
    async work() {
      log.push(`${name} begins`)
      await promise
      log.push(`${name} ends`)
      return name
    },
  }
}

describe('KeyedLock', () => {
  test('lets work on one key follow each other, and others go on', async () => {
    const log: string[] = []
    const lock = new KeyedLock<string>()
    const [a, b, c] = [openEnded(log, 'a'), openEnded(log, 'b'), openEnded(log, 'c')]
    const running = [lock.run('1', a.work), lock.run('1', b.work), lock.run('2', c.work)]
    b.end()
    c.end()
    await running[2]
    assert.deepEqual(log, ['a begins', 'c begins', 'c ends'])
    a.end()
    assert.deepEqual(await Promise.all(running), ['a', 'b', 'c'])
    assert.deepEqual(log.slice(3), ['a ends', 'b begins', 'b ends'])
  })

  test('goes on after work that failed', async () => {
    const lock = new KeyedLock<string>()
    const failed = lock.run('1', () => Promise.reject(new RangeError('no')))
    const next = lock.run('1', async () => 'done')
    await assert.rejects(failed, RangeError)
    assert.equal(await next, 'done')
  })
})
