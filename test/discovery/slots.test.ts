import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { Slots } from '../../src/discovery/slots.ts'

describe('Slots', () => {
  test('as many jobs run at once as there are slots, the others in their turn', async () => {
    const slots = new Slots(2)
    const { signal } = new AbortController()
    const started: number[] = []
    const ends = [0, 1, 2, 3].map(() => Promise.withResolvers<void>())
    const jobs = ends.map(({ promise }, index) =>
      slots.run(signal, () => {
        started.push(index)
        return promise
      }),
    )
    await new Promise(setImmediate)
    assert.deepEqual(started, [0, 1])
    ends[1]?.resolve()
    await jobs[1]
    assert.deepEqual(started, [0, 1, 2])
    for (const end of ends) end.resolve()
    await Promise.all(jobs)
    assert.deepEqual(started, [0, 1, 2, 3])
  })

  test('a job that fails frees its slot', async () => {
    const slots = new Slots(1)
    const { signal } = new AbortController()
    await assert.rejects(slots.run(signal, () => Promise.reject(new RangeError('no'))), RangeError)
    assert.equal(await slots.run(signal, async () => 7), 7)
  })

  test('a job that is aborted while it waits does not run, and takes nobody\'s turn', async () => {
    const slots = new Slots(1)
    const end = Promise.withResolvers<number>()
    const first = slots.run(new AbortController().signal, () => end.promise)
    const reason = new RangeError('enough')
    const controller = new AbortController()
    const second = slots.run(controller.signal, () => Promise.reject(new TypeError('it ran')))
    const third = slots.run(new AbortController().signal, async () => 3)
    controller.abort(reason)
    await assert.rejects(second, reason)
    end.resolve(1)
    assert.deepEqual(await Promise.all([first, third]), [1, 3])
  })
})
