import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { mergeStats, TransferAccount } from '../../src/swarm/transfer-account.ts'

describe('TransferAccount', () => {
  test('counts bytes by where they came from', () => {
    const account = new TransferAccount(100, 10, 1000)
    account.fromOrigin(30)
    account.fromPeer('a', ['mdns'], 20, false)
    account.fromPeer('a', ['mdns'], 40, true)
    assert.deepEqual(account.stats(1500), {
      bytes: { total: 100, origin: 30, peers: 60, stored: 10 },
      peers: [{ peerId: 'a', foundBy: ['mdns'], bytes: 60, bytesWhileIncomplete: 20 }],
      ms: 500,
    })
  })

  test('ways in which a peer is found later are shown, and a result does not change afterwards', () => {
    const foundBy = ['mdns']
    const account = new TransferAccount(1, 0, 0)
    account.fromPeer('a', foundBy, 1, true)
    foundBy.push('dht')
    const stats = account.stats(0)
    foundBy.push('dns')
    assert.deepEqual(stats.peers[0]?.foundBy, ['mdns', 'dht'])
  })
})

describe('mergeStats', () => {
  test('adds bytes up, and shares by peer', () => {
    const [one, two] = [new TransferAccount(10, 1, 0), new TransferAccount(20, 2, 0)]
    one.fromPeer('a', ['mdns'], 5, false)
    two.fromPeer('a', ['dht', 'mdns'], 7, true)
    two.fromPeer('b', [], 3, true)
    two.fromOrigin(4)
    assert.deepEqual(mergeStats([one.stats(9), two.stats(9)], 42), {
      bytes: { total: 30, origin: 4, peers: 15, stored: 3 },
      peers: [
        { peerId: 'a', foundBy: ['mdns', 'dht'], bytes: 12, bytesWhileIncomplete: 5 },
        { peerId: 'b', foundBy: [], bytes: 3, bytesWhileIncomplete: 0 },
      ],
      ms: 42,
    })
  })
})
