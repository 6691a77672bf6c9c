import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { describe, test } from 'vitest'
import { decoders } from './decoders.ts'
import type { Work } from './work-meter.ts'

/** Blocks of code that a decoder may run for each byte, and for any input. The most that was counted is 10, of empty lines in JSON. */
const blocksPerByte = 16
const blocksInAnyCase = 4000

describe('the work of every decoder', () => {
  test('grows no faster than what it reads', async () => {
    const worker = new Worker(new URL('./work-meter.ts', import.meta.url))
    const [measured]: Work[][] = await once(worker, 'message')
    await worker.terminate()
    assert.ok(measured)
    assert.equal(new Set(measured.map(({ decoder }) => decoder)).size, decoders.length)
    const tooMuch = measured.filter(({ blocks, inputBytes }) => blocks > blocksInAnyCase + blocksPerByte * inputBytes)
    assert.deepEqual(tooMuch, [])
    // A meter that counts nothing would find no fault.
    assert.ok(measured.filter(({ blocks }) => blocks > 0).length > measured.length / 2)
  }, 300_000)
})
