import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { PeerError } from '../../src/core/errors.ts'
import type { PieceSink } from '../../src/net/link.ts'
import { InFlightBudget } from '../../src/swarm/in-flight-budget.ts'
import { RequestLane, type LaneSink } from '../../src/swarm/request-lane.ts'
import { fuzzRuns } from '../support/fuzz.ts'
import { ScriptedLink } from '../support/scripted-link.ts'

const digest = digestOf(Buffer.from('blob'))

function sinkOf(sink: Partial<LaneSink> = {}): LaneSink {
  return {
    sent() {},
    header() {},
    chunk() {},
    end: (release) => release(),
    busy() {},
    absent() {},
    failed() {},
    ...sink,
  }
}

const answers: Record<string, (sink: PieceSink) => void> = {
  end: (sink) => sink.end(),
  busy: (sink) => sink.busy(10),
  absent: (sink) => sink.absent(),
  failed: (sink) => sink.failed(new PeerError('ERR_PEER_REFUSED', 'it ended')),
}

describe('InFlightBudget', () => {
  test('takes up to its limit, and one piece of any length', () => {
    const budget = new InFlightBudget(100)
    assert.ok(budget.take(500, () => {}))
    budget.give(500)
    assert.ok(budget.take(60, () => {}) && budget.take(40, () => {}))
    assert.equal(budget.take(1, () => {}), false)
  })

  test('calls those back who were refused, once, when bytes are given back', () => {
    const budget = new InFlightBudget(100)
    const called: string[] = []
    budget.take(100, () => {})
    for (const who of ['a', 'b']) budget.take(10, () => called.push(who))
    budget.give(50)
    budget.give(50)
    assert.deepEqual(called, ['a', 'b'])
  })
})

describe('RequestLane', () => {
  test('requests leave in the order in which they came, as streams get free', () => {
    const link = new ScriptedLink('peer', 2)
    const lane = new RequestLane(link, new InFlightBudget(1000))
    const sent: number[] = []
    for (let piece = 0; piece < 5; piece++) lane.request(digest, piece, 10, sinkOf({ sent: () => sent.push(piece) }))
    assert.deepEqual(sent, [0, 1])
    while (link.open.length > 0) link.answer((sink) => sink.end())
    assert.deepEqual(sent, [0, 1, 2, 3, 4])
  })

  test.each(Object.keys(answers))('bytes are given back when a request ends by %s', (how) => {
    const link = new ScriptedLink('peer')
    const budget = new InFlightBudget(1000)
    const lane = new RequestLane(link, budget)
    lane.request(digest, 0, 700, sinkOf())
    assert.equal(budget.usedBytes, 700)
    link.answer((sink) => answers[how]?.(sink))
    assert.equal(budget.usedBytes, 0)
  })

  test('bytes of a piece that came are given back once, when it is out of memory', () => {
    const link = new ScriptedLink('peer')
    const budget = new InFlightBudget(1000)
    let release = (): void => {}
    new RequestLane(link, budget).request(digest, 0, 700, sinkOf({ end: (later) => void (release = later) }))
    link.answer((sink) => sink.end())
    assert.equal(budget.usedBytes, 700)
    release()
    release()
    assert.equal(budget.usedBytes, 0)
  })

  test('a request that is asked for while another one leaves waits for a free stream', () => {
    const link = new ScriptedLink('peer', 1)
    const lane = new RequestLane(link, new InFlightBudget(1000))
    lane.request(digest, 0, 10, sinkOf({ sent: () => lane.request(digest, 1, 10, sinkOf()) }))
    assert.deepEqual([link.refused, link.open.length], [0, 1])
  })

  test('a request can be taken back as it leaves', () => {
    const link = new ScriptedLink('peer', 1)
    const budget = new InFlightBudget(1000)
    const lane = new RequestLane(link, budget)
    lane.request(digest, 0, 10, sinkOf())
    const cancel = lane.request(digest, 1, 10, sinkOf({ sent: () => cancel() }))
    link.answer((sink) => sink.end())
    assert.deepEqual([link.open.length, budget.usedBytes], [0, 0])
  })

  test('whatever happens, memory stays within the limit but for one piece, and all of it comes back', () => {
    const act = fc.tuple(
      fc.constantFrom('ask', 'ask', 'cancel', 'end', 'busy', 'absent', 'failed', 'release'),
      fc.nat(1),
      fc.integer({ min: 1, max: 150 }),
    )
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
        const budget = new InFlightBudget(100)
        const links = [new ScriptedLink('a', 2), new ScriptedLink('b', 2)]
        const lanes = links.map((link) => new RequestLane(link, budget))
        const cancels: (() => void)[] = []
        const releases: (() => void)[] = []
        const largest = { bytes: 0 }
        for (const [what, which, sizeBytes] of acts) {
          const [link, lane] = [links[which], lanes[which]]
          if (what === 'ask' && lane) {
            largest.bytes = Math.max(largest.bytes, sizeBytes)
            cancels.push(lane.request(digest, 0, sizeBytes, sinkOf({ end: (release) => void releases.push(release) })))
          } else if (what === 'cancel') cancels.shift()?.()
          else if (what === 'release') releases.shift()?.()
          else link?.answer((sink) => answers[what]?.(sink))
          assert.ok(budget.usedBytes <= Math.max(100, largest.bytes))
          assert.ok(links.every(({ refused }) => refused === 0))
        }
        for (const cancel of cancels) cancel()
        for (const release of releases) release()
        assert.equal(budget.usedBytes, 0)
      }),
      fuzzRuns(300),
    )
  })
})
