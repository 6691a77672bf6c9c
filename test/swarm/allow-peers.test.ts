import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'vitest'
import type { NetworkOptions } from '../../src/swarm/swarm-init.ts'
import type { Swarm } from '../../src/swarm/swarm.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { RawPeer } from '../net/raw-peer.ts'
import { TestNodes } from '../support/nodes.ts'

const content = seededContent(1, 300_000)
const blob = { digest: content.digest, size: content.sizeBytes }
const denied = { code: 'ERR_SWARM_NO_SOURCE' }

let folder: string
let nodes: TestNodes
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'damselfly-allow-'))
  nodes = new TestNodes()
})
afterEach(async () => {
  await nodes[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

/** The peer id of a node of that name. */
async function peerIdOf(name: string): Promise<string> {
  const node = await nodes.start([], { identityFile: join(folder, name) })
  await node.close()
  return node.peerId
}

function start(name: string, network: NetworkOptions | undefined, others: Swarm[] = []): Promise<Swarm> {
  return nodes.start(others, { identityFile: join(folder, name), ...(network && { network }) })
}

/** A node that holds a private blob. */
async function holder(network: NetworkOptions): Promise<Swarm> {
  const node = await start('holder', network)
  const bytes = (async function* () { yield content.read({ offset: 0, length: content.sizeBytes }) })()
  await node.store.import({ ...blob, mediaType: 'x/y' }, bytes, { private: true })
  return node
}

describe('network.allowPeers', () => {
  test('makes a closed network of those on the list: they share what is private, and nobody else gets in, whoever dials', async () => {
    const [holderId, friendId] = [await peerIdOf('holder'), await peerIdOf('friend')]
    const owner = await holder({ allowPeers: [friendId] })
    const friend = await start('friend', { allowPeers: [holderId] }, [owner])
    assert.equal((await friend.fetchLayer(blob)).stats.bytes.peers, blob.size)
    assert.equal((await friend.store.stat(blob.digest))?.private, true)
    const stranger = await start('stranger', undefined, [owner])
    await assert.rejects(stranger.fetchLayer(blob), denied)
    assert.deepEqual(stranger.stats().links, [])
    assert.deepEqual(owner.stats().links.map(({ peerId }) => peerId), [friendId])
    // A member that dials a stranger hangs up when it learns who that is.
    const lured = await start('lured', { allowPeers: [holderId] }, [stranger])
    await assert.rejects(lured.fetchLayer(blob), denied)
    assert.deepEqual([lured.stats().links, stranger.stats().links], [[], []])
  })

  test('ends the connection of a stranger before any protocol runs', async () => {
    const owner = await holder({ allowPeers: [await peerIdOf('friend')] })
    await using stranger = await RawPeer.start()
    const outcome = await stranger.connect({ addresses: owner.addresses } as never).then(
      async (connection) => {
        const opened = await connection.newStream('/ipfs/id/1.0.0').then(() => 'opened', () => 'refused')
        return opened
      },
      () => 'refused',
    )
    assert.equal(outcome, 'refused')
    assert.deepEqual(owner.stats().links, [])
  })

  test('with a key needs both', async () => {
    const [holderId, friendId, keyOnlyId] = [await peerIdOf('holder'), await peerIdOf('friend'), await peerIdOf('key only')]
    const key = randomBytes(32)
    const owner = await holder({ key, allowPeers: [friendId] })
    assert.equal((await (await start('friend', { key, allowPeers: [holderId] }, [owner])).fetchLayer(blob)).stats.bytes.peers, blob.size)
    await assert.rejects((await start('key only', { key }, [owner])).fetchLayer(blob), denied)
    await assert.rejects((await start('list only', { allowPeers: [holderId] }, [owner])).fetchLayer(blob), denied)
    assert.ok(!owner.stats().links.some(({ peerId }) => peerId === keyOnlyId))
  })

  test('refuses what is no peer id, and a network of nothing', async () => {
    const wrong = { code: 'ERR_REQUEST_OPTION' }
    await assert.rejects(start('a', { allowPeers: ['me'] }), { ...wrong, message: /no peer id/ })
    await assert.rejects(start('a', {}), { ...wrong, message: /network is empty/ })
  })
})
