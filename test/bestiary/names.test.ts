import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { peers } from '../../src/discovery/static-discovery.ts'
import { encodeFrame } from '../../src/wire/codec.ts'
import type { PeerBannedEvent } from '../../src/swarm/swarm-events.ts'
import { embeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { contentOf } from '../../src/testing/seeded-content.ts'
import { testImage } from '../../src/testing/test-image.ts'
import { FakePeer, withOneBitTurned } from '../support/fake-peer.ts'
import { TestNodes } from '../support/nodes.ts'

describe('names in the mouths of peers', () => {
  test('B18: no peer is asked for a tag, and one that gives another manifest under a digest is banned', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const image = testImage({ seed: 18, layerSizes: [2 * 1024 * 1024, 1000] })
    const tag = 'a-tag-that-nobody-else-has'
    image.addTo(origin, 'team/app', tag)
    const other = testImage({ seed: 19, layerSizes: [1000] })
    const { digest } = image.manifest
    const heard: Uint8Array[] = []
    await using liar = await FakePeer.play({
      content: { ...contentOf(image.manifestBytes), digest },
      hears: (link, message) => {
        heard.push(encodeFrame(message))
        if (message.type === 'join' && message.asks) link.send({ type: 'inline', digest, bytes: other.manifestBytes })
      },
      answer: (request, honest) => request.serve(honest.byteLength, [withOneBitTurned(honest)]),
    })
    const node = await nodes.start([], { origins: [origin], discovery: [peers(liar.addresses)] })
    const banned: PeerBannedEvent[] = []
    node.addEventListener('peer:banned', ({ detail }) => banned.push(detail))
    await using byDigest = await node.fetchImage(`${origin.host}/team/app@${digest}`, { platform: 'linux/amd64' })
    await using byTag = await node.fetchImage(`${origin.host}/team/app:${tag}`, { platform: 'linux/amd64' })
    for (const stored of [byTag, byDigest]) {
      assert.equal(stored.digest, digest)
      assert.deepEqual(stored.layers.map((layer) => layer.digest), image.layers.map((layer) => layer.digest))
    }
    assert.deepEqual(banned.map(({ peerId, reason }) => ({ peerId, reason })), [{ peerId: liar.peerId, reason: 'piece-hash' }])
    assert.ok(heard.length > 0)
    for (const bytes of heard) assert.ok(!Buffer.from(bytes).includes(tag) && !Buffer.from(bytes).includes('team/app'))
    assert.equal(await node.store.stat(other.manifest.digest), undefined)
  })
})
