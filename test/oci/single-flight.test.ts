import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { SingleFlight } from '../../src/oci/single-flight.ts'

describe('SingleFlight', () => {
  test('callers of one key share a run, and the next one starts anew', async () => {
    const flights = new SingleFlight<number>()
    let runs = 0
    const task = async (): Promise<number> => ++runs
    assert.deepEqual(await Promise.all([flights.run('a', task), flights.run('a', task), flights.run('b', task)]), [1, 1, 2])
    assert.equal(await flights.run('a', task), 3)
  })

  test('a failure is shared too, and not kept', async () => {
    const flights = new SingleFlight<number>()
    const failing = (): Promise<number> => Promise.reject(new Error('down'))
    const both = [flights.run('a', failing), flights.run('a', failing)]
    for (const run of both) await assert.rejects(run, /down/)
    assert.equal(await flights.run('a', async () => 1), 1)
  })

  test('an aborted caller leaves the others alone', async () => {
    const flights = new SingleFlight<number>()
    const { promise, resolve } = Promise.withResolvers<number>()
    const controller = new AbortController()
    const first = assert.rejects(flights.run('a', () => promise, controller.signal), /enough/)
    const second = flights.run('a', () => promise)
    controller.abort(new Error('enough'))
    await first
    resolve(7)
    assert.equal(await second, 7)
  })

  test('who comes aborted starts nothing', async () => {
    const flights = new SingleFlight<number>()
    let runs = 0
    const run = flights.run('a', async () => ++runs, AbortSignal.abort(new Error('enough')))
    await assert.rejects(run, /enough/)
    assert.equal(runs, 0)
  })

  test('a failure after everybody has left disturbs nobody', async () => {
    const flights = new SingleFlight<number>()
    const { promise, reject } = Promise.withResolvers<number>()
    const controller = new AbortController()
    const run = assert.rejects(flights.run('a', () => promise, controller.signal), /enough/)
    controller.abort(new Error('enough'))
    await run
    reject(new Error('late'))
    await new Promise(setImmediate)
  })
})
