import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { InboundGate } from '../../src/net/inbound-gate.ts'
import { TrustedRanges } from '../../src/net/trusted-ranges.ts'
import { fakeClock } from '../../src/testing/fake-clock.ts'

describe('the inbound gate', () => {
  test('refuses the sixth connection of a public address within a second', () => {
    const clock = fakeClock()
    const gate = new InboundGate({ ranges: new TrustedRanges(), clock })
    for (const address of ['192.0.2.7', '2001:db8::7']) {
      const answers = Array.from({ length: 7 }, () => gate.refuses(address))
      assert.deepEqual(answers, [false, false, false, false, false, true, true])
    }
    assert.equal(gate.refuses('192.0.2.8'), false)
    clock.advance(999)
    assert.equal(gate.refuses('192.0.2.7'), true)
    clock.advance(1)
    assert.equal(gate.refuses('192.0.2.7'), false)
  })

  test('lets in any number from private addresses', () => {
    const gate = new InboundGate({ ranges: new TrustedRanges(), clock: fakeClock() })
    const addresses = [
      '127.0.0.1',
      '10.1.2.3',
      '172.31.0.1',
      '192.168.1.1',
      '100.64.0.1',
      '::1',
      'fd00::1',
      'fe80::1',
    ]
    for (const address of addresses) {
      for (let count = 0; count < 100; count++) assert.equal(gate.refuses(address), false)
    }
  })

  test('lets in any number from anywhere in a closed network', () => {
    const gate = new InboundGate({ ranges: new TrustedRanges(undefined, true), clock: fakeClock() })
    for (let count = 0; count < 100; count++) assert.equal(gate.refuses('192.0.2.7'), false)
  })
})
