import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { beforeEach, describe, test } from 'vitest'
import type { HostAnswer } from '../../src/oci/asked-absence.ts'
import { HostGates } from '../../src/oci/host-gates.ts'
import { ManualClock } from './manual-clock.ts'

const host = 'registry.example:5000'

let clock: ManualClock
let gates: HostGates
let told: [host: string, durationMs: number][]
let stop: () => void
beforeEach(() => {
  clock = new ManualClock()
  gates = new HostGates(clock)
  told = []
  stop = gates.onHoldOff((...news) => void told.push(news))
})

function refusal(seconds: number): HostAnswer {
  return { status: 429, headers: (name) => (name === 'retry-after' ? [String(seconds)] : []) }
}

/** How long a request that comes now waits for the door, in milliseconds. */
async function waitAt(name: string): Promise<number> {
  let waitMs = 0
  const controller = new AbortController()
  const onWait = (ms: number): void => void (waitMs = ms)
  const entered = gates.of(name).queue.pass({ onWait, signal: controller.signal })
  controller.abort()
  await entered.catch(() => {})
  return waitMs
}

describe('HostGates', () => {
  test('a host has one door', () => {
    assert.equal(gates.of(host), gates.of(host))
    assert.notEqual(gates.of(host), gates.of('registry.example'))
  })

  test('what a host asks closes its door, and no other, and listeners are told', async () => {
    gates.of('other.example')
    assert.equal(gates.heard(host, refusal(9)), 9000)
    assert.deepEqual(told, [[host, 9000]])
    assert.equal(await waitAt(host), 9000)
    assert.equal(await waitAt('other.example'), 0)
  })

  test('an answer that asks for nothing, or for no time, is no news', async () => {
    assert.equal(gates.heard(host, { status: 200, headers: () => [] }), undefined)
    assert.equal(gates.heard(host, refusal(0)), 0)
    assert.deepEqual(told, [])
    assert.equal(await waitAt(host), 0)
  })

  test('the same wish in many answers is told once, a longer one again, and the next one anew', () => {
    gates.heard(host, refusal(9))
    clock.advance(900)
    gates.heard(host, refusal(9))
    gates.heard(host, refusal(3))
    assert.deepEqual(told, [[host, 9000]])
    clock.advance(100)
    gates.heard(host, refusal(9))
    assert.deepEqual(told, [[host, 9000], [host, 9000]])
    clock.advance(9000)
    gates.heard(host, refusal(1))
    assert.deepEqual(told.at(-1), [host, 1000])
  })

  test('a short wish is told too, when the last one is over', () => {
    clock.advance(500)
    gates.heard(host, refusal(5))
    clock.advance(5100)
    const soon = new Date(clock.wallMs() + 400).toUTCString()
    gates.heard(host, { status: 503, headers: (name) => (name === 'retry-after' ? [soon] : []) })
    assert.deepEqual(told, [[host, 5000], [host, 400]])
  })

  test('what others say closes the door and is not said on', async () => {
    gates.of(host)
    gates.holdOff(host, 7000)
    assert.equal(await waitAt(host), 7000)
    assert.deepEqual(told, [])
  })

  test('what the host says after others did is said, however long they said', async () => {
    gates.holdOff(host, 50_000)
    gates.heard(host, refusal(9))
    assert.deepEqual(told, [[host, 9000]])
    assert.equal(await waitAt(host), 50_000)
  })

  test('what others say of a host that nobody has asked yet holds for who comes in time', async () => {
    gates.holdOff(host, 7000)
    gates.holdOff(host, 2000)
    clock.advance(3000)
    assert.equal(await waitAt(host), 4000)
    gates.holdOff('late.example', 7000)
    clock.advance(7000)
    assert.equal(await waitAt('late.example'), 0)
  })

  for (const [said, believed] of [
    [1, 1],
    [60_000, 60_000],
    [60_001, 60_000],
    [1e300, 60_000],
    [Number.POSITIVE_INFINITY, 60_000],
    [0, 0],
    [-5, 0],
    [Number.NaN, 0],
  ] as const) {
    test(`of ${said} ms that others say, ${believed} are believed`, async () => {
      gates.of('known.example')
      gates.holdOff('known.example', said)
      gates.holdOff('foreign.example', said)
      assert.equal(await waitAt('known.example'), believed)
      assert.equal(await waitAt('foreign.example'), believed)
    })
  }

  test('what others say that is no number does not stand in the way of what is', async () => {
    for (const name of ['known.example', 'foreign.example']) {
      if (name === 'known.example') gates.of(name)
      gates.holdOff(name, Number.NaN)
      assert.deepEqual(gates.hosts(), [])
      gates.holdOff(name, 1000)
      assert.equal(await waitAt(name), 1000)
      clock.advance(1000)
    }
  })

  test('hosts in use are those with requests, and those that want to be left alone', async () => {
    gates.of('idle.example')
    gates.holdOff('foreign.example', 7000)
    assert.deepEqual(gates.hosts(), [])
    const release = await gates.of('busy.example').queue.enter()
    gates.heard('closed.example', refusal(5))
    assert.deepEqual(gates.hosts().toSorted(), ['busy.example', 'closed.example'])
    release()
    clock.advance(5000)
    assert.deepEqual(gates.hosts(), [])
  })

  test('a listener hears nothing after its end, and one that listens twice is told twice', () => {
    const seen: string[] = []
    const listener = (name: string): void => void seen.push(name)
    const [first, second] = [gates.onHoldOff(listener), gates.onHoldOff(listener)]
    gates.heard('a.example', refusal(5))
    first()
    first()
    stop()
    gates.heard('b.example', refusal(5))
    second()
    gates.heard('c.example', refusal(5))
    assert.deepEqual(seen, ['a.example', 'a.example', 'b.example'])
    assert.deepEqual(told, [['a.example', 5000]])
  })

  test('hosts that nobody uses are forgotten, those in use are not, however many come', async () => {
    const idle = gates.of('idle.example')
    const busy = gates.of('busy.example')
    const release = await busy.queue.enter()
    gates.heard('closed.example', refusal(60))
    for (let count = 0; count < 1100; count++) gates.of(`${count}.example`)
    assert.equal(gates.of('busy.example'), busy)
    assert.notEqual(gates.of('idle.example'), idle)
    assert.equal(await waitAt('closed.example'), 60_000)
    release()
  })

  test('the host that is asked for is not the one forgotten, though all others are in use', async () => {
    const releases = await Promise.all(Array.from({ length: 1000 }, (_, count) => gates.of(`${count}.example`).queue.enter()))
    assert.equal(gates.of(host), gates.of(host))
    for (const release of releases) release()
  })

  test('what others say of thousands of hosts is kept for some', async () => {
    for (let count = 0; count < 1001; count++) gates.holdOff(`${count}.example`, 7000)
    assert.equal(await waitAt('0.example'), 0)
    assert.equal(await waitAt('1000.example'), 7000)
    await setImmediate()
    assert.equal(clock.timerCount, 0)
  })
})
