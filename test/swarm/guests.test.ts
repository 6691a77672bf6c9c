import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'vitest'
import { peers } from '../../src/discovery/static-discovery.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { FakePeer, serveHonestly } from '../support/fake-peer.ts'
import { TestNodes } from '../support/nodes.ts'

const mib = 1024 * 1024

describe('a node that is told to be a guest', () => {
  test('takes its requests back there, wants no more pieces, and is linked elsewhere', async () => {
    await using nodes = new TestNodes()
    const content = seededContent(1, 4 * mib)
    const happened: string[] = []
    await using full = await FakePeer.start(content, async ({ signal }) => {
      if (!signal.aborted) await once(signal, 'abort')
      happened.push('a request was taken back')
    })
    await using other = await FakePeer.start(content, (request, honest) => {
      happened.push('the other was asked')
      return serveHonestly(request, honest)
    })
    full.turnsAwayTo = other
    const node = await nodes.start([], { discovery: [peers(full.addresses)] })
    const { digest, sizeBytes } = content
    const blob = await node.fetchLayer({ digest, size: sizeBytes })
    assert.deepEqual(blob.stats.peers.map(({ peerId }) => peerId), [other.peerId])
    const asked = full.requests.length
    assert.ok(asked >= 1 && asked <= 4, `${asked} requests`)
    const away = happened.indexOf('the other was asked')
    assert.equal(happened.slice(0, away).length, asked, 'all were taken back before anything was asked elsewhere')
  })
})
