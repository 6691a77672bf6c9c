import assert from 'node:assert/strict'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, test } from 'vitest'
import { knownPeer, parsePeerAddress, peerKey } from '../../src/discovery/known-peer.ts'

const id = '12D3KooWGzh8Fq3ZkVG8bXvGmAYLiRkFVRR9qsLkyTGqFB1SpPQH'
const relayId = '12D3KooWEZ8v1fHtBfo8KVUS7VUZgizYng7awoxVQ5NQYLCrSAhg'

describe('parsePeerAddress', () => {
  test('the peer id is taken off the end', () => {
    for (const address of ['/ip4/192.0.2.7/tcp/4001', '/dns4/seed.example/tcp/4001', '/ip6/2001:db8::7/tcp/4001']) {
      assert.deepEqual(parsePeerAddress(address), { peerId: undefined, addresses: [address] })
      assert.deepEqual(parsePeerAddress(`${address}/p2p/${id}`), { peerId: id, addresses: [address] })
    }
  })

  test('only the last peer id of a relayed address is the peer', () => {
    const relay = `/ip4/192.0.2.7/tcp/4001/p2p/${relayId}/p2p-circuit`
    assert.deepEqual(parsePeerAddress(`${relay}/p2p/${id}`), { peerId: id, addresses: [relay] })
    assert.deepEqual(parsePeerAddress(relay), { peerId: undefined, addresses: [relay] })
  })

  test('what says by itself where to dial needs no port', () => {
    assert.deepEqual(parsePeerAddress('/dnsaddr/seed.example').addresses, ['/dnsaddr/seed.example'])
  })

  test('what is no address that can be dialled is refused with an example of one', () => {
    for (const text of ['', '/', '192.0.2.7:4001', '/ip4/192.0.2.7', '/ip4/192.0.2.700/tcp/1', `/p2p/${id}`, '/tcp/x', '/ip4/192.0.2.7/tcp/1/p2p/nobody']) {
      assert.throws(() => parsePeerAddress(text), { code: 'ERR_REQUEST_OPTION', message: /write \/ip4\/192\.0\.2\.7\/tcp\/4001/ }, text)
    }
  })
})

describe('knownPeer', () => {
  test('addresses are kept once, without the peer id, and eight at most', () => {
    const addresses = Array.from({ length: 20 }, (_, index) => `/ip4/192.0.2.${index}/tcp/4001`)
    const told = addresses.flatMap((address) => [multiaddr(address), multiaddr(`${address}/p2p/${id}`)])
    assert.deepEqual(knownPeer(id, told), { peerId: id, addresses: addresses.slice(0, 8) })
  })

  test('a peer without an address is none', () => {
    assert.equal(knownPeer(id, []), undefined)
  })
})

describe('peerKey', () => {
  test('it is the peer id where there is one, whatever the addresses', () => {
    assert.equal(peerKey({ peerId: id, addresses: ['/ip4/192.0.2.7/tcp/1'] }), peerKey({ peerId: id, addresses: [] }))
  })

  test('it is the addresses otherwise, in any order', () => {
    const [one, two] = ['/ip4/192.0.2.7/tcp/1', '/ip4/192.0.2.8/tcp/1']
    assert.equal(peerKey({ addresses: [one, two] }), peerKey({ addresses: [two, one] }))
    assert.notEqual(peerKey({ addresses: [one] }), peerKey({ addresses: [two] }))
  })
})
