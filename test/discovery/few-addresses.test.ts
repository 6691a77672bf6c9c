import assert from 'node:assert/strict'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, test } from 'vitest'
import { withFewAddresses } from '../../src/discovery/few-addresses.ts'
import { ScriptedRouter } from './scripted-router.ts'

const addressesFrom = (first: number, count: number) =>
  Array.from({ length: count }, (_, index) => multiaddr(`/ip4/192.0.2.${first + index}/tcp/4001`))

describe('what the DHT adds to the peer store', () => {
  test('is eight addresses of a peer, however often it announces others', async () => {
    const node = await new ScriptedRouter().node()
    const store = withFewAddresses(node.peerStore)
    const id = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
    await store.merge(id, { multiaddrs: addressesFrom(1, 5) })
    await store.merge(id, { multiaddrs: addressesFrom(3, 100) })
    await store.merge(id, { multiaddrs: addressesFrom(200, 20), tags: { kept: { value: 1 } } })
    const peer = await store.get(id)
    assert.deepEqual(peer.addresses.map((known) => String(known.multiaddr)), addressesFrom(1, 8).map(String))
    assert.ok(peer.tags.has('kept'))
    assert.ok(await store.has(id))
  })
})
