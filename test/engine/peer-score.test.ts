import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { PeerScore } from '../../src/engine/peer-score.ts'

const mib = 1024 * 1024

/** When the peer may be asked again, found by looking every 10 ms. */
function askableAt(score: PeerScore, from: number): number {
  let now = from
  while (!score.mayAsk(now)) now += 10
  return now
}

describe('PeerScore', () => {
  test('an unknown peer has 2 s and 2 s a MiB for its first piece', () => {
    const score = new PeerScore()
    assert.equal(score.deadlineMs(mib), 4000)
    assert.equal(score.deadlineMs(mib / 4), 2500)
    assert.equal(score.deadlineMs(16 * mib), 34_000)
  })

  test('a known peer has four times its own mean, but at least a second', () => {
    const score = new PeerScore()
    score.delivered(2000)
    assert.equal(score.deadlineMs(mib), 8000)
    assert.equal(score.deadlineMs(16 * mib), 8000)
    const fast = new PeerScore()
    fast.delivered(10)
    assert.equal(fast.deadlineMs(mib), 1000)
  })

  test('a known peer may be silent for four times its own mean', () => {
    const score = new PeerScore()
    assert.equal(score.silenceMs, 0)
    score.delivered(2000)
    assert.equal(score.silenceMs, 8000)
  })

  test('the mean follows the peer, slowly', () => {
    const score = new PeerScore()
    assert.equal(score.meanMs, undefined)
    score.delivered(1000)
    score.delivered(2000)
    assert.ok(score.meanMs && score.meanMs > 1000 && score.meanMs < 1500)
    for (let count = 0; count < 30; count++) score.delivered(2000)
    assert.ok(score.meanMs > 1990)
  })

  test('who fails again and again waits twice as long each time, from 1 s to 60 s', () => {
    const score = new PeerScore()
    let now = 0
    const waits: number[] = []
    for (let count = 0; count < 9; count++) {
      score.failed(now)
      assert.ok(score.snubbed)
      const next = askableAt(score, now)
      waits.push(next - now)
      now = next
    }
    assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000])
  })

  test('requests that fail together count once', () => {
    const score = new PeerScore()
    for (let count = 0; count < 4; count++) score.failed(100 + count)
    assert.equal(askableAt(score, 100), 1100)
  })

  test('one piece makes good for all failures', () => {
    const score = new PeerScore()
    score.failed(0)
    score.failed(2000)
    score.delivered(50)
    assert.equal(score.snubbed, false)
    assert.ok(score.mayAsk(2001))
    score.failed(3000)
    assert.equal(askableAt(score, 3000), 4000)
  })

  test('busy is no failure, and is respected even when another piece arrives', () => {
    const score = new PeerScore()
    score.busy(0, 300)
    score.busy(0, 100)
    assert.equal(score.snubbed, false)
    score.delivered(10)
    assert.equal(askableAt(score, 0), 300)
  })

  test('busy without a time still means later', () => {
    const score = new PeerScore()
    score.busy(0, 0)
    assert.equal(score.mayAsk(0), false)
    assert.ok(askableAt(score, 0) <= 50)
  })

  test('puts us off when it has said "busy" for 2 s and delivered nothing, until it delivers', () => {
    const score = new PeerScore()
    score.busy(1000, 50)
    score.busy(2999, 50)
    assert.ok(!score.putsOff)
    score.busy(3000, 50)
    assert.ok(score.putsOff)
    assert.ok(score.mayAsk(3050), 'it may be asked as before')
    score.delivered(10)
    assert.ok(!score.putsOff)
    score.busy(9000, 50)
    assert.ok(!score.putsOff)
  })
})
