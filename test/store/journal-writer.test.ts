import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { describe, test } from 'vitest'
import { StoreError } from '../../src/core/errors.ts'
import { pieceLayout } from '../../src/core/piece-layout.ts'
import { JournalWriter } from '../../src/store/journal-writer.ts'
import { emptyPartState, type JournalRecord } from '../../src/store/journal.ts'
import type { ScratchPart } from '../../src/store/scratch.ts'
import { fakeClock } from '../../src/testing/fake-clock.ts'

const mib = 1024 * 1024

function dropped(piece: number): JournalRecord {
  return { type: 'dropped', piece }
}

/** A part that notes what is synced, and can be made to fail. */
function notingPart(): ScratchPart & { readonly synced: number[][]; failure: Error | undefined } {
  let busy = false
  return {
    synced: [],
    failure: undefined,
    path: undefined,
    state: emptyPartState(pieceLayout(0)),
    async sync(records = []) {
      assert.ok(!busy, 'syncs follow each other')
      busy = true
      await setImmediate()
      busy = false
      if (this.failure) throw this.failure
      this.synced.push(records.flatMap((record) => ('piece' in record ? [record.piece] : [])))
    },
    async write() {},
    async readInto() {},
    async close() {},
    async remove() {},
  }
}

describe('JournalWriter', () => {
  test('waits two seconds for more', async () => {
    const [part, clock] = [notingPart(), fakeClock()]
    const journal = new JournalWriter(part, clock)
    journal.record(dropped(1))
    clock.advance(1500)
    journal.record(dropped(2))
    clock.advance(499)
    await setImmediate()
    assert.deepEqual(part.synced, [])
    clock.advance(1)
    await journal.stop()
    assert.deepEqual(part.synced, [[1, 2]])
    assert.equal(clock.timerCount, 0)
  })

  test('waits for no more than 64 MiB', async () => {
    const [part, clock] = [notingPart(), fakeClock()]
    const journal = new JournalWriter(part, clock)
    for (let piece = 0; piece < 15; piece++) journal.record(dropped(piece), 4 * mib)
    await setImmediate()
    assert.deepEqual(part.synced, [])
    journal.record(dropped(15), 4 * mib)
    await journal.stop()
    assert.deepEqual(part.synced, [Array.from({ length: 16 }, (_, piece) => piece)])
    journal.record(dropped(16), 4 * mib)
    await journal.stop()
    assert.equal(part.synced.length, 1)
    assert.equal(clock.timerCount, 0)
  })

  test('writes what is recorded during a sync with the next one', async () => {
    const [part, clock] = [notingPart(), fakeClock()]
    const journal = new JournalWriter(part, clock)
    journal.record(dropped(1))
    const first = journal.flush()
    await Promise.resolve()
    await Promise.resolve()
    journal.record(dropped(2))
    await Promise.all([first, journal.flush(), journal.flush()])
    assert.deepEqual(part.synced, [[1], [2]])
    await journal.stop()
  })

  test('does not try again after a failure', async () => {
    const [part, clock] = [notingPart(), fakeClock()]
    const journal = new JournalWriter(part, clock)
    const failure = new StoreError('ERR_STORE_IO', 'no')
    part.failure = failure
    journal.record(dropped(1))
    await assert.rejects(journal.flush(), (error) => error === failure)
    part.failure = undefined
    journal.record(dropped(2))
    await assert.rejects(journal.flush(), (error) => error === failure)
    await assert.rejects(journal.syncBytes(), (error) => error === failure)
    assert.equal(journal.failure, failure)
    assert.deepEqual(part.synced, [])
    await journal.stop()
    assert.equal(clock.timerCount, 0)
  })
})
