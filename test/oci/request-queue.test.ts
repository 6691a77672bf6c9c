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
  const release = await queue.enter({ signal })
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

  test('who only passes needs no turn, but an open door', async () => {
    const passed = async (name: string): Promise<void> => {
      await queue.pass()
      entered.push(name)
    }
    const [a] = [enter('a'), enter('b'), enter('c'), passed('d')]
    await setImmediate()
    assert.deepEqual(entered, ['a', 'b', 'd'])
    queue.holdOff(5000)
    void passed('e')
    ;(await a)()
    clock.advance(4999)
    await setImmediate()
    assert.deepEqual(entered, ['a', 'b', 'd'])
    clock.advance(1)
    await setImmediate()
    assert.deepEqual(entered.slice(3).toSorted(), ['c', 'e'])
  })

  test('who waits for the door is told for how long, and again when that grows', async () => {
    const told: string[] = []
    const onWait = (name: string) => (ms: number) => void told.push(`${name} ${ms}`)
    const [a] = [queue.enter({ onWait: onWait('a') }), queue.enter(), queue.enter({ onWait: onWait('c') })]
    assert.deepEqual(told, [])
    queue.holdOff(5000)
    clock.advance(2000)
    void queue.pass({ onWait: onWait('d') })
    queue.holdOff(1000)
    queue.holdOff(6000)
    assert.deepEqual(told, ['c 5000', 'd 3000', 'd 6000', 'c 6000'])
    ;(await a)()
    clock.advance(6000)
    queue.holdOff(1000)
    assert.equal(told.length, 4)
  })

  test('is idle while nobody uses it and the door is open', async () => {
    assert.equal(queue.isIdle, true)
    const release = await queue.enter()
    assert.equal(queue.isIdle, false)
    release()
    assert.equal(queue.isIdle, true)
    queue.holdOff(1000)
    assert.equal(queue.isIdle, false)
    const passed = queue.pass()
    clock.advance(1000)
    await passed
    assert.equal(queue.isIdle, true)
  })

  test('who comes aborted is not let in', async () => {
    await assert.rejects(enter('a', AbortSignal.abort(new Error('enough'))), /enough/)
    assert.deepEqual(entered, [])
  })
})
