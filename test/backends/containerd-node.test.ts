import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, onTestFinished, test } from 'vitest'
import { containerdBackend } from '../../src/backends/containerd.ts'
import { digestOf, type Digest } from '../../src/core/digest.ts'
import { fsBackend } from '../../src/store/fs-backend.ts'
import type { Swarm } from '../../src/swarm/swarm.ts'
import { embeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { testImage } from '../../src/testing/test-image.ts'
import { mirrorOf } from '../mirror/mirror-fixture.ts'
import { openStore } from '../store/stores.ts'
import { makeDirectory } from '../store/temporary-directory.ts'
import { SimulatedContainerd } from '../support/simulated-containerd.ts'
import { TestNodes } from '../support/nodes.ts'

const mib = 1024 * 1024

describe('a node that keeps what containerd has once', () => {
  test('holds next to nothing of an image that was pulled through its mirror, and seeds it', async () => {
    const directory = await makeDirectory()
    onTestFinished(() => rm(directory, { recursive: true, force: true }))
    const containerd = new SimulatedContainerd(join(directory, 'containerd'))
    const backend = containerdBackend(containerd.root, { fallback: fsBackend(join(directory, 'own')) })
    const store = await openStore(backend)
    await using nodes = new TestNodes()
    const origin = await embeddedOrigin()
    const image = testImage({ seed: 5, layerSizes: [6 * mib, 2 * mib, 70_000] })
    image.addTo(origin, 'team/app', '1.0')
    const swarm = await nodes.start([], { store, origins: [origin] })
    const { mirror } = await mirrorOf(nodes, origin, { swarm })

    const pull = async (kind: string, digest: Digest): Promise<void> => {
      const answer = await fetch(`${mirror.url}/v2/team/app/${kind}/${digest}`)
      const bytes = Buffer.from(await answer.arrayBuffer())
      assert.equal(digestOf(bytes), digest)
      await containerd.commitBytes(digest, bytes)
    }
    const blobs = [image.config, ...image.layers]
    await pull('manifests', image.manifest.digest)
    await Promise.all(blobs.map(({ digest }) => pull('blobs', digest)))
    await origin.close()
    await backend.release()

    const imageBytes = [image.manifest, ...blobs].reduce((sum, { size }) => sum + size, 0)
    const own = store.usage()
    assert.equal(own.blobCount, blobs.length + 1)
    assert.ok(own.usedBytes <= 0.05 * imageBytes, `${own.usedBytes} of ${imageBytes}`)
    const other = await nodes.start([swarm])
    for (const { digest, size } of blobs) {
      await using blob = await other.fetchLayer({ digest, size })
      assert.deepEqual([blob.stats.bytes.peers, blob.stats.peers[0]?.peerId], [size, swarm.peerId])
    }
    const again = await fetch(`${mirror.url}/v2/team/app/blobs/${image.layers[0]!.digest}`)
    assert.equal(digestOf(Buffer.from(await again.arrayBuffer())), image.layers[0]!.digest)
  })

  test('fetches anew what containerd deleted, for itself and for a peer', async () => {
    const directory = await makeDirectory()
    onTestFinished(() => rm(directory, { recursive: true, force: true }))
    const containerd = new SimulatedContainerd(join(directory, 'containerd'))
    const backend = containerdBackend(containerd.root, { fallback: fsBackend(join(directory, 'own')) })
    await using nodes = new TestNodes()
    const image = testImage({ seed: 6, layerSizes: [5 * mib] })
    const [layer] = image.layers
    assert.ok(layer)
    await using origin = await embeddedOrigin()
    image.addTo(origin, 'team/app', '1.0')
    const swarm = await nodes.start([], { store: await openStore(backend), origins: [origin] })
    const fetchFromOrigin = async (node: Swarm): Promise<void> => {
      await using fetched = await node.fetchImage(`${origin.host}/team/app:1.0`)
      assert.equal(fetched.digest, image.manifest.digest)
    }
    await fetchFromOrigin(swarm)
    await containerd.commitBytes(layer.digest, await swarm.store.read(layer.digest))
    await backend.release()
    await containerd.collect(layer.digest)

    // Nobody has told the node: it finds out when it looks.
    const peer = await nodes.start([swarm], { origins: [origin] })
    await fetchFromOrigin(peer)
    await fetchFromOrigin(swarm)
    assert.equal(digestOf(await swarm.store.read(layer.digest)), layer.digest)
  })

  for (const [whom, network] of [['members of its closed network', { key: 'c3'.repeat(32) }], ['nobody in an open one', undefined]] as const) {
    test(`gives what containerd pulled before it came to ${whom}`, async () => {
      const directory = await makeDirectory()
      onTestFinished(() => rm(directory, { recursive: true, force: true }))
      const containerd = new SimulatedContainerd(join(directory, 'containerd'))
      const content = seededContent(7, 3 * mib)
      await containerd.commit(content)
      const backend = containerdBackend(containerd.root, { fallback: fsBackend(join(directory, 'own')) })
      await using nodes = new TestNodes()
      const node = await nodes.start([], { store: await openStore(backend), network })
      const other = await nodes.start([node], { network })
      const fetching = other.fetchLayer({ digest: content.digest, size: content.sizeBytes })
      if (!network) return await assert.rejects(fetching, { code: 'ERR_SWARM_NO_SOURCE' })
      await using fetched = await fetching
      assert.equal(fetched.stats.bytes.peers, content.sizeBytes)
      assert.equal(fetched.private, true)
    })
  }
})
