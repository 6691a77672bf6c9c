import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { InboundGate, inboundLimits, type Arrival, type InboundRefusal } from '../../src/net/inbound-gate.ts'
import { TrustedRanges } from '../../src/net/trusted-ranges.ts'
import { fakeClock } from '../../src/testing/fake-clock.ts'
import { fuzzRuns } from '../support/fuzz.ts'

function gateOf(ranges = new TrustedRanges(), maxConnections = 1000) {
  const clock = fakeClock()
  const gate = new InboundGate({ ranges, clock, maxConnections })
  const aborted: Arrival[] = []
  const come = (address: string): { arrival: Arrival; refusal: InboundRefusal | undefined } => {
    const arrival = { address, abort: () => void aborted.push(arrival) }
    return { arrival, refusal: gate.arrived(arrival) }
  }
  return { gate, clock, come, aborted }
}

describe('the inbound gate', () => {
  test('lets an address have four connections, and another when one of them ends', () => {
    for (const address of ['192.0.2.7', '2001:db8::7', '::ffff:192.0.2.9']) {
      const { gate, clock, come } = gateOf()
      const first = Array.from({ length: 4 }, () => come(address))
      assert.deepEqual(first.map(({ refusal }) => refusal), [undefined, undefined, undefined, undefined])
      clock.advance(10_000)
      assert.equal(come(address).refusal, 'address')
      const [leaver] = first
      if (leaver) gate.closed(leaver.arrival)
      assert.equal(come(address).refusal, undefined)
      assert.equal(come(address).refusal, 'address')
    }
  })

  test('lets a prefix have eight', () => {
    const { come } = gateOf()
    for (let host = 1; host <= 8; host++) assert.equal(come(`192.0.2.${host}`).refusal, undefined)
    assert.equal(come('192.0.2.9').refusal, 'prefix')
    assert.equal(come('192.0.3.9').refusal, undefined)
  })

  test('refuses the sixth connection of an address within a second', () => {
    const { gate, clock, come } = gateOf()
    const comeAndGo = (): InboundRefusal | undefined => {
      const { arrival, refusal } = come('192.0.2.7')
      gate.closed(arrival)
      return refusal
    }
    assert.deepEqual(Array.from({ length: 6 }, comeAndGo), [undefined, undefined, undefined, undefined, undefined, 'rate'])
    clock.advance(200)
    assert.equal(comeAndGo(), undefined)
    assert.equal(comeAndGo(), 'rate')
  })

  test('sets no bounds to addresses in private ranges, or in those that it is told instead', () => {
    const { come } = gateOf()
    const addresses = ['127.0.0.1', '10.1.2.3', '172.31.0.1', '192.168.1.1', '100.64.0.1', '::1', 'fd00::1', 'fe80::1', '::ffff:10.0.0.1', '']
    for (const address of addresses) {
      for (let count = 0; count < 20; count++) assert.equal(come(address).refusal, undefined, address)
    }
    const told = gateOf(new TrustedRanges(['198.51.100.0/24']))
    for (let count = 0; count < 20; count++) assert.equal(told.come('198.51.100.7').refusal, undefined)
    assert.deepEqual(Array.from({ length: 5 }, () => told.come('10.0.0.1').refusal).at(-1), 'address')
    const closed = gateOf(new TrustedRanges(undefined, true))
    for (let count = 0; count < 20; count++) assert.equal(closed.come('192.0.2.7').refusal, undefined)
  })

  test('ends the oldest of those that do not speak when others come, and refuses when all have just come', () => {
    const { gate, clock, come, aborted } = gateOf()
    const silent = Array.from({ length: inboundLimits.pending }, () => come('10.0.0.1').arrival)
    assert.equal(come('10.0.0.2').refusal, 'pending')
    clock.advance(999)
    assert.equal(come('10.0.0.2').refusal, 'pending')
    clock.advance(1)
    assert.equal(come('10.0.0.2').refusal, undefined)
    assert.deepEqual(aborted, silent.slice(0, 1))
    assert.deepEqual(gate.counts, { open: inboundLimits.pending, pending: inboundLimits.pending })
  })

  test('does not count as pending who has proved who it is', () => {
    const { gate, come } = gateOf()
    for (let count = 0; count < inboundLimits.pending + 5; count++) gate.upgraded(come('10.0.0.1').arrival)
    assert.deepEqual(gate.counts, { open: inboundLimits.pending + 5, pending: 0 })
  })

  test('has a bound over all addresses', () => {
    const { gate, come } = gateOf(new TrustedRanges(), 3)
    for (let count = 0; count < 3 + inboundLimits.pending; count++) {
      const { arrival, refusal } = come('10.0.0.1')
      assert.equal(refusal, undefined)
      gate.upgraded(arrival)
    }
    assert.equal(come('10.0.0.1').refusal, 'total')
  })

  test('counts right whoever comes and goes', () => {
    const act = fc.record({ host: fc.nat(20), go: fc.boolean(), which: fc.nat(30), waitMs: fc.constantFrom(0, 300, 2000) })
    fc.assert(
      fc.property(fc.array(act, { maxLength: 100 }), (acts) => {
        const { gate, clock, come } = gateOf()
        const inside: Arrival[] = []
        for (const { host, go, which, waitMs } of acts) {
          clock.advance(waitMs)
          const [leaver] = go ? inside.splice(which % Math.max(1, inside.length), 1) : []
          if (leaver) gate.closed(leaver)
          const { arrival, refusal } = come(`192.0.${host % 3}.${host}`)
          if (refusal === undefined) inside.push(arrival)
          assert.equal(gate.counts.open, inside.length)
          for (const address of new Set(inside.map((each) => each.address))) {
            assert.ok(inside.filter((each) => each.address === address).length <= inboundLimits.perAddress)
          }
          assert.ok(inside.length <= 3 * inboundLimits.perPrefix)
        }
        for (const arrival of inside) gate.closed(arrival)
        assert.deepEqual(gate.counts, { open: 0, pending: 0 })
      }),
      fuzzRuns(200),
    )
  })
})
