import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { digestOf, type Digest } from '../../src/core/digest.ts'
import { httpOrigin } from '../../src/oci/http-origin.ts'
import { memoryBackend } from '../../src/store/memory-backend.ts'
import { PieceStore } from '../../src/store/piece-store.ts'
import type { StorageBackend } from '../../src/store/storage-backend.ts'
import { collect } from '../../src/testing/collect.ts'
import { embeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { testImage } from '../../src/testing/test-image.ts'
import { TestNodes } from '../support/nodes.ts'

/** Somebody else deletes a blob just before its third piece is read. */
function raided(victim: Digest): StorageBackend & { readonly lost: Promise<void> } {
  const backend = memoryBackend()
  const { read } = backend
  const lost = Promise.withResolvers<void>()
  let reads = 0
  return Object.assign(backend, {
    lost: lost.promise,
    async read(...args: Parameters<StorageBackend['read']>) {
      if (args[0] === victim && ++reads === 3) {
        await backend.delete(args[0])
        lost.resolve()
      }
      return read.apply(backend, args)
    },
  })
}

describe('a whole blob that goes behind the back of its store', () => {
  test('is fetched anew, by this node as well as by the peer that was taking it', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const image = testImage({ seed: 7, layerSizes: [6 * 1024 * 1024] })
    image.addTo(origin, 'team/app', '1.0')
    const [layer] = image.layers
    assert.ok(layer)
    const backend = raided(layer.digest)
    const node = await nodes.start([], { store: nodes.use(await PieceStore.open(backend)), origins: [origin] })
    await using handle = await node.seed({ reference: `${origin.host}/team/app:1.0` })
    const peer = await nodes.start([node], { origins: [origin] })
    const taking = peer.fetchImage(`${origin.host}/team/app:1.0`)
    await backend.lost
    await using again = await node.fetchImage(`${origin.host}/team/app:1.0`)
    await using taken = await taking
    for (const swarm of [node, peer]) assert.equal(digestOf(await swarm.store.read(layer.digest)), layer.digest)
    assert.deepEqual([again.digest, taken.digest, handle.topic], Array(3).fill(image.manifest.digest))
  })

  test('is read to its end by who was reading it', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(8, 6 * 1024 * 1024)
    origin.addBlob(content)
    const backend = raided(content.digest)
    const node = await nodes.start([], { store: nodes.use(await PieceStore.open(backend)), origins: [origin] })
    const layer = { digest: content.digest, size: content.sizeBytes, origin: httpOrigin(`${origin.url}/v2/a/blobs/${content.digest}`, { insecure: true }) }
    await using fetched = await node.fetchLayer(layer)
    assert.equal(fetched.stats.bytes.origin, content.sizeBytes)
    await using open = await node.openLayer(layer)
    assert.ok(open.complete)
    const chunks = await collect(open.stream())
    await backend.lost
    assert.equal(digestOf(Buffer.concat(chunks)), content.digest)
  })
})
