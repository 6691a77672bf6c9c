import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { CleanUp } from '../../src/core/clean-up.ts'

describe('CleanUp', () => {
  test('closes the last opened first, each once', async () => {
    const closed: string[] = []
    const cleanUp = new CleanUp()
    cleanUp.defer(async () => closed.push('first'))
    const resource = cleanUp.use({ [Symbol.asyncDispose]: async () => void closed.push('second') })
    assert.ok(resource)
    await cleanUp[Symbol.asyncDispose]()
    await cleanUp[Symbol.asyncDispose]()
    assert.deepEqual(closed, ['second', 'first'])
  })

  test('closes all, whichever fails, and then says what failed first', async () => {
    const closed: string[] = []
    const cleanUp = new CleanUp()
    cleanUp.defer(async () => closed.push('first'))
    cleanUp.defer(() => Promise.reject(new RangeError('later')))
    cleanUp.defer(() => Promise.reject(new TypeError('sooner')))
    await assert.rejects(cleanUp[Symbol.asyncDispose](), TypeError)
    assert.deepEqual(closed, ['first'])
  })
})
