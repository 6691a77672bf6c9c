import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { beforeEach, describe, test } from 'vitest'
import { RequestQueue } from '../../src/oci/request-queue.ts'
import { ManualClock } from './manual-clock.ts'

let clock: ManualClock
let queue: RequestQueue
let entered: string[]
beforeEach(() => {
  clock = new ManualClock()
  queue = new RequestQueue(clock, 2)
  entered = []
})

/** Notes when it is let in; what it returns ends its turn. */
async function enter(name: string, signal?: AbortSignal): Promise<() => void> {
  const release = await queue.enter(signal)
  entered.push(name)
  return release
}

describe('RequestQueue', () => {
  test('lets in a few at a time, first come, first served', async () => {
    const [a, , c] = [enter('a'), enter('b'), enter('c'), enter('d')]
    await setImmediate()
    assert.deepEqual(entered, ['a', 'b'])
    ;(await a)()
    ;(await c)()
    await setImmediate()
    assert.deepEqual(entered, ['a', 'b', 'c', 'd'])
  })

  test('a turn that is ended twice makes room once', async () => {
    const [a] = [enter('a'), enter('b'), enter('c'), enter('d')]
    const release = await a
    release()
    release()
    await setImmediate()
    assert.deepEqual(entered, ['a', 'b', 'c'])
  })

  test('holds all back while the host wants to be left alone', async () => {
    queue.holdOff(5000)
    void enter('a')
    void enter('b')
    clock.advance(4999)
    await setImmediate()
    assert.deepEqual(entered, [])
    clock.advance(1)
    await setImmediate()
    assert.deepEqual(entered, ['a', 'b'])
    assert.equal(clock.timerCount, 0)
  })

  test('a second wish to be left alone makes it longer, not shorter', async () => {
    void enter('under way')
    queue.holdOff(5000)
    void enter('a')
    queue.holdOff(1000)
    queue.holdOff(9000)
    clock.advance(8999)
    await setImmediate()
    assert.deepEqual(entered, ['under way'])
    clock.advance(1)
    await setImmediate()
    assert.deepEqual(entered, ['under way', 'a'])
  })

  test('who is aborted leaves, and nobody waits for him', async () => {
    const controller = new AbortController()
    const first = enter('a')
    void enter('b')
    const rejected = assert.rejects(enter('c', controller.signal), /enough/)
    void enter('d')
    controller.abort(new Error('enough'))
    await rejected
    ;(await first)()
    await setImmediate()
    assert.deepEqual(entered, ['a', 'b', 'd'])
  })

  test('the last to leave stops the clock', async () => {
    const controller = new AbortController()
    queue.holdOff(5000)
    const rejected = assert.rejects(enter('a', controller.signal))
    assert.equal(clock.timerCount, 1)
    controller.abort()
    await rejected
    assert.equal(clock.timerCount, 0)
  })

  test('who comes aborted is not let in', async () => {
    await assert.rejects(enter('a', AbortSignal.abort(new Error('enough'))), /enough/)
    assert.deepEqual(entered, [])
  })
})
