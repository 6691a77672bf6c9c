import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { Introductions } from '../../src/swarm/introductions.ts'
import { distanceOf } from '../../src/swarm/link-manager.ts'
import { fakeClock } from '../../src/testing/fake-clock.ts'

const [topic, other] = [digestOf(Buffer.from('a')), digestOf(Buffer.from('b'))]

function watched(promise: Promise<void>): { done: boolean } {
  const state = { done: false }
  void promise.then(() => (state.done = true))
  return state
}

describe('Introductions', () => {
  test('where nobody was asked there is nothing to wait for', async () => {
    const clock = fakeClock()
    await new Introductions(clock).answeredByAll(topic)
    assert.equal(clock.timerCount, 0)
  })

  test('all who were asked are waited for, and those who leave are not', async () => {
    const clock = fakeClock()
    const introductions = new Introductions(clock)
    for (const link of [1, 2]) introductions.asked(topic, link)
    introductions.asked(other, 2)
    const waits = [watched(introductions.answeredByAll(topic)), watched(introductions.answeredByAll(topic))]
    introductions.answered(topic, 1)
    introductions.answered(topic, 7)
    await clock.advanceAsync(0)
    assert.deepEqual(waits.map(({ done }) => done), [false, false])
    introductions.left(2)
    await clock.advanceAsync(0)
    assert.deepEqual(waits.map(({ done }) => done), [true, true])
    assert.equal(clock.timerCount, 0)
  })

  test('silence is waited for 250 ms', async () => {
    const clock = fakeClock()
    const introductions = new Introductions(clock)
    introductions.asked(topic, 1)
    const wait = watched(introductions.answeredByAll(topic))
    await clock.advanceAsync(249)
    assert.equal(wait.done, false)
    await clock.advanceAsync(1)
    assert.deepEqual([wait.done, clock.timerCount], [true, 0])
  })
})

describe('distanceOf', () => {
  const at = (region = '', zone = '', rack = ''): { region: string; zone: string; rack: string } => ({ region, zone, rack })

  test.each([
    ['same rack', at('r', 'z', 'k'), at('r', 'z', 'k'), 0],
    ['same zone, another rack', at('r', 'z', 'k'), at('r', 'z', 'l'), 1],
    ['same zone, racks unknown', at('r', 'z'), at('r', 'z'), 1],
    ['same region, another zone with a rack of the same name', at('r', 'z', 'k'), at('r', 'y', 'k'), 2],
    ['same region, zones unknown', at('r', '', 'k'), at('r', '', 'k'), 2],
    ['another region, all else alike', at('r', 'z', 'k'), at('s', 'z', 'k'), 3],
    ['unknown region', at(), at('r', 'z', 'k'), 2],
  ])('%s', (_, ours, theirs, distance) => {
    assert.deepEqual([distanceOf(ours, theirs), distanceOf(theirs, ours)], [distance, distance])
  })
})
