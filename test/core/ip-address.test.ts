import assert from 'node:assert/strict'
import { BlockList, isIP } from 'node:net'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { isInRange, parseIp, parseIpRange, prefixOf } from '../../src/core/ip-address.ts'
import { fuzzRuns } from '../support/fuzz.ts'

const bits = fc.nat(32)
const anyAddress = fc.oneof(fc.ipV4(), fc.ipV6())

describe('an IP address', () => {
  test('is what the system takes for one', () => {
    fc.assert(
      fc.property(fc.oneof(anyAddress, fc.stringMatching(/^[0-9a-f:.]{0,24}$/)), (text) => {
        assert.equal(parseIp(text) !== undefined, isIP(text) !== 0, text)
      }),
      fuzzRuns(2000),
    )
  })

  test('is in a range that the system says it is in', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.ipV4(), bits, (address, network, width) => {
        const list = new BlockList()
        list.addSubnet(network, width, 'ipv4')
        const ip = parseIp(address)
        assert.ok(ip)
        assert.equal(isInRange(ip, parseIpRange(`${network}/${width}`, 'test')), list.check(address, 'ipv4'))
      }),
      fuzzRuns(500),
    )
  })

  test('is IPv4 in the clothes of IPv6 too, and without its zone or brackets', () => {
    for (const text of ['::ffff:192.0.2.7', '::ffff:c000:207', '[::ffff:192.0.2.7]']) assert.deepEqual(parseIp(text), [192, 0, 2, 7], text)
    assert.deepEqual(parseIp('fe80::1%eth0'), parseIp('fe80::1'))
  })

  test('is none when it is a name or oddly spelt', () => {
    for (const text of ['', 'localhost', '0x7f000001', '2130706433', '127.1', '010.0.0.1', '1.2.3.4.5', '1::2::3', ':1', '12345::']) {
      assert.equal(parseIp(text), undefined, text)
    }
  })

  test('shares its prefix with its neighbours', () => {
    const prefix = (text: string): string => prefixOf(parseIp(text) ?? [])
    assert.equal(prefix('192.0.2.7'), prefix('192.0.2.250'))
    assert.notEqual(prefix('192.0.2.7'), prefix('192.0.3.7'))
    assert.equal(prefix('2001:db8:0:aa00::1'), prefix('2001:db8:0:aaff:1::'))
    assert.notEqual(prefix('2001:db8:0:aa00::1'), prefix('2001:db8:0:ab00::1'))
  })
})

describe('a range of addresses', () => {
  test('must be written as one', () => {
    for (const text of ['', 'home', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/8/8', '::/129', '10.0.0.0/x']) {
      assert.throws(() => parseIpRange(text, 'limits.trustedRanges'), { code: 'ERR_REQUEST_OPTION' }, text)
    }
  })

  test('may be one address', () => {
    const range = parseIpRange('2001:db8::7', 'test')
    assert.equal(isInRange(parseIp('2001:db8::7') ?? [], range), true)
    assert.equal(isInRange(parseIp('2001:db8::8') ?? [], range), false)
  })
})
