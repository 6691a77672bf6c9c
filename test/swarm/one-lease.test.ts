import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { describe, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import type { SessionEvent } from '../../src/engine/session-event.ts'
import type { OwnAsk } from '../../src/engine/tracker-event.ts'
import type { LeaseListener } from '../../src/swarm/leases.ts'
import { OneLease } from '../../src/swarm/one-lease.ts'
import { scriptedNode, type ScriptedNode } from '../support/scripted-link.ts'

const digest = digestOf(Buffer.from('blob'))
const signal = new AbortController().signal

/** The way to a tracker that a test speaks for. */
interface Tracked {
  readonly lease: OneLease
  readonly asks: OwnAsk[]
  readonly forgotten: LeaseListener[]
  answer(event: SessionEvent): void
}

function leaseOn(node: ScriptedNode): Tracked {
  const asks: OwnAsk[] = []
  const forgotten: LeaseListener[] = []
  let last: LeaseListener = () => {}
  const leases = {
    ask: (_digest: unknown, layout: unknown, ask: OwnAsk, listener: LeaseListener) => {
      assert.equal(layout, undefined)
      asks.push(ask)
      last = listener
    },
    forget: (_digest: unknown, listener: LeaseListener) => void forgotten.push(listener),
    handIn() {},
  }
  return { lease: new OneLease({ ...node.context, leases }, digest), asks, forgotten, answer: (event) => last(event) }
}

function answered(number: number, retryAfterMs = 1000): SessionEvent {
  return { type: 'lease:answered', number, validMs: 3000, retryAfterMs, runs: [], imports: [] }
}

/** Whether it may go, when all that can happen now has happened. */
async function mayGo(acquired: Promise<void>): Promise<boolean> {
  let done = false
  void acquired.then(
    () => (done = true),
    () => {},
  )
  await setImmediate()
  return done
}

describe('leave to ask an origin about a blob of unknown size', () => {
  test('is asked for as one piece, and had when the tracker says so', async () => {
    await using node = await scriptedNode()
    const { lease, asks, answer } = leaseOn(node)
    const acquired = lease.acquire(signal)
    assert.deepEqual(asks, [{ number: 0, count: 1, held: [], wanted: [{ first: 0, count: 1 }], rateBytesPerSecond: 0 }])
    assert.equal(await mayGo(acquired), false)
    answer(answered(5))
    assert.equal(await mayGo(acquired), true)
  })

  test('is not needed where no tracker is in reach', async () => {
    await using node = await scriptedNode()
    const { lease, answer } = leaseOn(node)
    const acquired = lease.acquire(signal)
    answer({ type: 'lease:silent', swarmSize: 10 })
    assert.equal(await mayGo(acquired), true)
  })

  test('is asked for again when it was refused, and gone without after three seconds', async () => {
    await using node = await scriptedNode()
    const { lease, asks, answer } = leaseOn(node)
    const acquired = lease.acquire(signal)
    for (let second = 1; second <= 3; second++) {
      answer(answered(0))
      assert.equal(await mayGo(acquired), false)
      await node.clock.advanceAsync(999)
      assert.equal(asks.length, second)
      await node.clock.advanceAsync(1)
      assert.equal(asks.length, second + 1)
    }
    answer(answered(0))
    assert.equal(await mayGo(acquired), true)
  })

  test('a refusal for long is not waited for longer than three seconds', async () => {
    await using node = await scriptedNode()
    const { lease, asks, answer } = leaseOn(node)
    const acquired = lease.acquire(signal)
    answer(answered(0, 30_000))
    await setImmediate()
    await node.clock.advanceAsync(3000)
    assert.equal(asks.length, 2)
    answer(answered(0, 30_000))
    assert.equal(await mayGo(acquired), true)
  })

  test('an abort ends the waiting, for an answer and for the next ask', async () => {
    await using node = await scriptedNode()
    const controller = new AbortController()
    const waiting = leaseOn(node).lease.acquire(controller.signal)
    const { lease, answer } = leaseOn(node)
    const refused = lease.acquire(controller.signal)
    answer(answered(0))
    await setImmediate()
    controller.abort(new RangeError('enough'))
    await assert.rejects(waiting, RangeError)
    await assert.rejects(refused, RangeError)
    assert.equal(node.clock.timerCount, 0)
  })

  test('is given back as unread, but only what was granted', async () => {
    await using node = await scriptedNode()
    const granted = leaseOn(node)
    const acquired = granted.lease.acquire(signal)
    granted.answer(answered(5))
    await acquired
    granted.lease.giveBack()
    assert.equal(granted.asks.at(-1)?.number, 5)
    assert.equal(granted.asks.at(-1)?.count, 0)
    assert.equal(granted.forgotten.length, 1)
    const refused = leaseOn(node)
    void refused.lease.acquire(signal)
    refused.lease.giveBack()
    assert.equal(refused.asks.length, 1)
    assert.equal(refused.forgotten.length, 1)
  })
})
