import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { abortable, untilAborted } from '../../src/core/abortable.ts'

const forever = new Promise<never>(() => {})

describe('abortable', () => {
  test('it is the promise while nothing is aborted', async () => {
    const { signal } = new AbortController()
    assert.equal(await abortable(Promise.resolve(7), signal), 7)
    await assert.rejects(abortable(Promise.reject(new RangeError('7')), signal), RangeError)
    assert.equal(await abortable(Promise.resolve(7), undefined), 7)
  })

  test('it rejects with the reason of a signal that is aborted, before or meanwhile', async () => {
    const reason = new RangeError('enough')
    await assert.rejects(abortable(forever, AbortSignal.abort(reason)), reason)
    const controller = new AbortController()
    const waiting = abortable(forever, controller.signal)
    controller.abort(reason)
    await assert.rejects(waiting, reason)
  })
})

describe('untilAborted', () => {
  test('it cuts off a stream that does not heed its signal', async () => {
    const controller = new AbortController()
    const deaf = (async function* () {
      yield 1
      controller.abort(new RangeError('enough'))
      yield await forever
    })()
    const seen: number[] = []
    await assert.rejects(async () => {
      for await (const item of untilAborted(deaf, controller.signal)) seen.push(item)
    }, RangeError)
    assert.deepEqual(seen, [1])
  })
})
