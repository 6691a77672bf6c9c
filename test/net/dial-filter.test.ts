import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { DialFilter } from '../../src/net/dial-filter.ts'
import { fuzzRuns } from '../support/fuzz.ts'
import { startNode } from './nodes.ts'

const peerId = '12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo'

/** A node in the world, unless it is told where it is. */
function filterAt(listening: string[] = ['/ip4/8.8.4.4/tcp/4001'], machine: string[] = [], ranges?: string[]): DialFilter {
  return new DialFilter({ own: () => ({ listening, machine }), ranges })
}

function allowed(filter: DialFilter, addresses: readonly string[]): string[] {
  return addresses.filter((address) => filter.allows(address))
}

const world = ['/ip4/8.8.8.8/tcp/4001', `/ip4/1.2.3.4/tcp/65535/p2p/${peerId}`, '/ip6/2a00:1450::1/tcp/4001']
const privately = ['/ip4/10.1.2.3/tcp/4001', '/ip4/172.31.0.1/tcp/4001', '/ip4/192.168.1.1/tcp/4001', '/ip4/100.64.1.1/tcp/4001', '/ip6/fd12::1/tcp/4001']
const never = [
  '/ip4/127.0.0.1/tcp/4001',
  '/ip6/::1/tcp/4001',
  '/ip4/169.254.169.254/tcp/4001',
  '/ip4/169.254.1.1/tcp/4001',
  '/ip4/100.100.100.200/tcp/4001',
  '/ip4/168.63.129.16/tcp/4001',
  '/ip6/fd00:ec2::254/tcp/4001',
  '/ip6/fe80::1/tcp/4001',
  '/ip4/0.0.0.0/tcp/4001',
  '/ip6/::/tcp/4001',
  '/ip4/224.0.0.251/tcp/5353',
  '/ip4/255.255.255.255/tcp/4001',
  '/ip6/ff02::fb/tcp/5353',
  '/ip6/::ffff:127.0.0.1/tcp/4001',
  '/ip6/::ffff:169.254.169.254/tcp/4001',
  '/ip6/64:ff9b::a9fe:a9fe/tcp/4001',
  '/ip6/2002:a9fe:a9fe::1/tcp/4001',
  '/ip6/2001:0:a9fe:a9fe::1/tcp/4001',
  '/dns4/metadata.google.internal/tcp/4001',
  '/dns6/example.com/tcp/4001',
  '/dns/localhost/tcp/4001',
  '/dnsaddr/example.com',
  '/ip4/8.8.8.8/tcp/80',
  '/ip4/8.8.8.8/tcp/22',
  '/ip4/8.8.8.8/tcp/0',
  '/ip4/8.8.8.8/udp/4001/quic-v1',
  '/ip4/8.8.8.8/tcp/4001/ws',
  `/ip4/8.8.8.8/tcp/4001/p2p/${peerId}/p2p-circuit`,
  '/unix/%2Fvar%2Frun%2Fdocker.sock',
  '/ip6zone/eth0/ip6/fe80::1/tcp/4001',
  '/memory/1',
  `/p2p/${peerId}`,
  '',
  'http://169.254.169.254/',
]

describe('a node with a dial filter', () => {
  test('opens no socket to what it must not dial, and others to what it may', async () => {
    let sockets = 0
    const server = createServer(() => sockets++).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = multiaddr(`/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}`)
    const dialFilter = filterAt()
    await using node = await startNode({ dialFilter })
    await assert.rejects(node.node.dial(address), { name: 'DialDeniedError' })
    assert.equal(sockets, 0)
    dialFilter.configure([String(address)])
    await assert.rejects(node.node.dial(address, { signal: AbortSignal.timeout(200) }))
    assert.equal(sockets, 1)
    server.close()
  })
})

describe('the dial filter', () => {
  test('lets a node in the world dial the world, and nothing else that peers advertise', () => {
    assert.deepEqual(allowed(filterAt(), [...world, ...privately, ...never]), world)
  })

  test('lets a node dial the private network that it is in, whether it listens there or not', () => {
    for (const filter of [filterAt(['/ip4/10.9.9.9/tcp/4001']), filterAt([], ['10.9.9.9'])]) {
      assert.deepEqual(allowed(filter, [...privately, ...never]), ['/ip4/10.1.2.3/tcp/4001'])
    }
    assert.deepEqual(allowed(filterAt([], ['192.168.7.7', 'fd12:3::4']), privately), ['/ip4/192.168.1.1/tcp/4001', '/ip6/fd12::1/tcp/4001'])
  })

  test('lets a node that listens on loopback alone dial loopback', () => {
    const [on4, on6] = ['/ip4/127.0.0.1/tcp/4001', '/ip6/::1/tcp/4001']
    assert.deepEqual(allowed(filterAt([on4]), never), [on4, on6, '/ip6/::ffff:127.0.0.1/tcp/4001'])
    assert.deepEqual(allowed(filterAt([on4, '/ip4/10.0.0.1/tcp/4001']), never), [])
    assert.deepEqual(allowed(filterAt([]), never), [])
  })

  test('goes where the user sends it, and to the peers of that peer', () => {
    const filter = filterAt()
    filter.configure([`/ip4/10.1.1.1/tcp/80/p2p/${peerId}`, '/dns4/seed.example.com/tcp/443'])
    assert.deepEqual(
      allowed(filter, ['/ip4/10.1.1.1/tcp/80', `/dns4/seed.example.com/tcp/443/p2p/${peerId}`, '/ip4/10.2.2.2/tcp/80', ...privately]),
      ['/ip4/10.1.1.1/tcp/80', `/dns4/seed.example.com/tcp/443/p2p/${peerId}`, '/ip4/10.1.2.3/tcp/4001'],
    )
  })

  test('dials any port of the ranges that it is told', () => {
    const filter = filterAt(undefined, [], ['10.0.0.0/8', '127.0.0.0/8'])
    assert.deepEqual(allowed(filter, ['/ip4/10.1.2.3/tcp/80', '/ip4/127.0.0.1/tcp/4001', '/ip4/172.16.0.1/tcp/4001']), [
      '/ip4/10.1.2.3/tcp/80',
      '/ip4/127.0.0.1/tcp/4001',
    ])
    assert.throws(() => filterAt([], [], ['nowhere']), { code: 'ERR_REQUEST_OPTION' })
  })

  test('dials transports that the user gave the node', () => {
    const filter = filterAt(['/memory/7', '/ip4/8.8.4.4/tcp/4002/ws'])
    assert.deepEqual(allowed(filter, ['/memory/1', '/ip4/8.8.8.8/tcp/4001/ws', '/ip4/10.0.0.1/tcp/4001/ws', '/ip4/8.8.8.8/udp/4001/quic-v1']), [
      '/memory/1',
      '/ip4/8.8.8.8/tcp/4001/ws',
    ])
  })

  test('looks at eight addresses of a peer', () => {
    const many = Array.from({ length: 20 }, (_, index) => `/ip4/8.8.8.${index}/tcp/4001`)
    assert.deepEqual(filterAt().usable(['/dns4/a/tcp/4001', ...many]), many.slice(0, 7))
  })

  test('takes any text, and lets no odd spelling through', () => {
    const part = fc.oneof(fc.constantFrom('ip4', 'ip6', 'tcp', 'dns4', 'p2p', '127.0.0.1', '0x7f000001', '2130706433', '::1', '4001', '-1', ''), fc.string())
    fc.assert(
      fc.property(fc.array(part, { maxLength: 7 }), (parts) => {
        const address = `/${parts.join('/')}`
        if (filterAt().allows(address)) assert.match(address, /^\/ip[46]\/[^/]+\/tcp\/\d+(\/p2p\/[^/]*)?$/)
      }),
      fuzzRuns(2000),
    )
  })

  test('takes three peers of a prefix from one answer, unless the range is trusted', () => {
    const filter = filterAt()
    const isWelcome = filter.sieve()
    const peersOf = (prefix: string): boolean[] => [1, 2, 3, 4, 5].map((host) => isWelcome([`${prefix}.${host}/tcp/4001`]))
    assert.deepEqual(peersOf('/ip4/8.8.8'), [true, true, true, false, false])
    assert.deepEqual(peersOf('/ip4/8.8.9'), [true, true, true, false, false])
    assert.deepEqual(peersOf('/ip4/10.0.0'), [true, true, true, true, true])
    assert.equal(filter.sieve()(['/ip4/8.8.8.8/tcp/4001']), true)
  })
})
