import assert from 'node:assert/strict'
import { BlockList } from 'node:net'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { fuzz } from './fuzz.ts'
import { addressScope, isAddress, mayLead, type AddressScope } from '../../src/oci/address-scope.ts'

describe('addressScope', () => {
  const table: [address: string, scope: string][] = [
    ['8.8.8.8', 'public'],
    ['172.15.255.255', 'public'],
    ['172.32.0.0', 'public'],
    ['223.255.255.255', 'public'],
    ['2606:4700::1111', 'public'],
    ['[2606:4700::1111]', 'public'],
    ['0.0.0.0', 'loopback'],
    ['10.1.2.3', 'private'],
    ['100.64.0.1', 'private'],
    ['127.0.0.1', 'loopback'],
    ['127.255.255.254', 'loopback'],
    ['169.254.169.254', 'link-local'],
    ['100.100.100.200', 'link-local'],
    ['168.63.129.16', 'link-local'],
    ['192.0.0.192', 'link-local'],
    ['172.16.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['192.168.1.1', 'private'],
    ['224.0.0.1', 'private'],
    ['255.255.255.255', 'private'],
    ['::', 'loopback'],
    ['::1', 'loopback'],
    ['[::1]', 'loopback'],
    ['::ffff:10.0.0.1', 'private'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:7f00:1', 'loopback'],
    ['::ffff:a9fe:a9fe', 'link-local'],
    ['::ffff:8.8.8.8', 'public'],
    ['::ffff:a00:1', 'private'],
    ['::7f00:1', 'private'],
    ['64:ff9b::a00:1', 'private'],
    ['64:ff9b::169.254.169.254', 'link-local'],
    ['64:ff9b::8.8.8.8', 'public'],
    ['64:ff9b:1::808:808', 'private'],
    ['fc00::1', 'private'],
    ['fd00:ec2::254', 'link-local'],
    ['fd20:ce::254', 'link-local'],
    ['fe80::1%eth0', 'link-local'],
    ['febf::1', 'link-local'],
    ['fec0::1', 'private'],
    ['ff02::1', 'private'],
    ['2001::1', 'private'],
    ['2002:a00:1::', 'private'],
    ['2001:db8::1', 'private'],
    ['3fff::1', 'private'],
    ['2001:4860:4860::8888', 'public'],
    ['registry.example', 'link-local'],
    ['', 'link-local'],
  ]
  for (const [address, scope] of table) {
    test(`${address || 'nothing'} is ${scope}`, () => {
      assert.equal(addressScope(address), scope)
    })
  }
})

describe('isAddress', () => {
  test('a spelling of an address that the URL parser normalised is one', () => {
    for (const text of ['http://0x7f000001/', 'http://2130706433/', 'http://127.1/', 'http://[::1]:8/']) {
      assert.equal(isAddress(new URL(text).hostname), true, text)
    }
  })

  test('a name is none', () => {
    assert.equal(isAddress('auth.example'), false)
  })
})

describe('addressScope, of any address', () => {
  const byte = fc.integer({ min: 0, max: 255 })
  const ipv4 = fc.tuple(byte, byte, byte, byte).map((bytes) => bytes.join('.'))
  /** Half of them where scopes change. */
  const ipv4AtEdges = fc.oneof(
    ipv4,
    fc.tuple(fc.constantFrom('9.255', '10.0', '100.63', '100.64', '100.127', '100.128', '126.255', '127.0', '127.255', '128.0', '169.253', '169.254', '169.255', '172.15', '172.16', '172.31', '172.32', '192.167', '192.168', '192.169', '223.255', '224.0'), byte, byte).map((parts) => parts.join('.')),
  )
  const group = fc.integer({ min: 0, max: 0xffff })
  const groups = fc.array(group, { minLength: 8, maxLength: 8 })

  test('an IPv4 address is the same in all its clothes', () => {
    fc.assert(
      fc.property(ipv4AtEdges, (address) => {
        const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number)
        const [high, low] = [((a << 8) | b).toString(16), ((c << 8) | d).toString(16)]
        const number = ((a * 256 + b) * 256 + c) * 256 + d
        const scope = addressScope(address)
        for (const clothes of [
          `::ffff:${address}`,
          `::FFFF:${high}:${low}`,
          `0:0:0:0:0:ffff:${high}:${low}`,
          `[::ffff:${address}]`,
          `64:ff9b::${address}`,
          `64:ff9b:0:0:0:0:${high}:${low}`,
          new URL(`http://${number}/`).hostname,
          new URL(`http://0x${number.toString(16)}/`).hostname,
          new URL(`http://0${a.toString(8)}.${b}.${c}.0x${d.toString(16)}/`).hostname,
          new URL(`http://[::ffff:${address}]/`).hostname,
        ]) {
          assert.equal(addressScope(clothes), scope, clothes)
        }
      }),
      fuzz,
    )
  })

  test('an IPv6 address is the same however it is written', () => {
    fc.assert(
      fc.property(groups, (parts) => {
        const long = parts.map((part) => part.toString(16).padStart(4, '0')).join(':')
        const short = new URL(`http://[${long}]/`).hostname
        assert.equal(addressScope(long), addressScope(short), short)
        assert.equal(addressScope(`${long.toUpperCase()}%1`), addressScope(short), short)
      }),
      fuzz,
    )
  })

  test('public is exactly what an independent list of networks leaves', () => {
    const inside = new BlockList()
    for (const [network, prefix] of [['0.0.0.0', 8], ['10.0.0.0', 8], ['100.64.0.0', 10], ['127.0.0.0', 8], ['168.63.129.16', 32], ['169.254.0.0', 16], ['172.16.0.0', 12], ['192.0.0.0', 24], ['192.0.2.0', 24], ['192.88.99.0', 24], ['192.168.0.0', 16], ['198.18.0.0', 15], ['198.51.100.0', 24], ['203.0.113.0', 24], ['224.0.0.0', 3]] as const) {
      inside.addSubnet(network, prefix, 'ipv4')
    }
    fc.assert(
      fc.property(ipv4AtEdges, (address) => {
        assert.equal(addressScope(address) === 'public', !inside.check(address, 'ipv4'), address)
      }),
      fuzz,
    )
  })

  test('no text makes it fail, and what is no address is no place to be led to', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), groups.map((parts) => parts.join(':')), ipv4), (text) => {
        const scope = addressScope(text)
        if (!isAddress(text.replace(/%.*$/, ''))) assert.equal(scope, 'link-local')
      }),
      fuzz,
    )
  })
})

describe('mayLead', () => {
  const scopes: AddressScope[] = ['public', 'private', 'loopback', 'link-local']
  const allowed = scopes.map((from) => [from, scopes.filter((to) => mayLead(from, to))])

  test('leads outwards or to one\'s own kind, and from this machine to its network', () => {
    assert.deepEqual(allowed, [
      ['public', ['public']],
      ['private', ['public', 'private']],
      ['loopback', ['public', 'private', 'loopback']],
      ['link-local', ['public', 'link-local']],
    ])
  })
})
