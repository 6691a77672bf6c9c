import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'vitest'
import { mediaTypes } from '../../src/core/descriptor.ts'
import { digestOf } from '../../src/core/digest.ts'
import { dht } from '../../src/discovery/dht-discovery.ts'
import { peers } from '../../src/discovery/static-discovery.ts'
import { embeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { testImage } from '../../src/testing/test-image.ts'
import { TestNodes } from '../support/nodes.ts'

const mib = 1024 * 1024

async function temporaryFolder(stack: AsyncDisposableStack): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'damselfly-image-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Every file under `blobs` hashes to its own name. */
async function assertBlobsMatch(layout: string): Promise<number> {
  const blobs = join(layout, 'blobs', 'sha256')
  const names = await readdir(blobs)
  for (const name of names) {
    assert.equal(createHash('sha256').update(await readFile(join(blobs, name))).digest('hex'), name)
  }
  return names.length
}

describe('fetchImage', () => {
  test('brings manifest, config and layers, and writes a layout', async () => {
    await using stack = new AsyncDisposableStack()
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const node = await nodes.start([], { origins: [origin] })
    const image = testImage({ seed: 1, layerSizes: [3 * mib, 1000, 0x100001] })
    image.addTo(origin, 'team/app', 'v1')
    const to = await temporaryFolder(stack)
    await using stored = await node.fetchImage(`${origin.host}/team/app:v1`, { to, platform: 'linux/amd64' })
    assert.equal(stored.digest, image.manifest.digest)
    assert.deepEqual(stored.layers.map(({ digest }) => digest), image.layers.map(({ digest }) => digest))
    assert.equal(await assertBlobsMatch(to), 5)
    const index = JSON.parse(await readFile(join(to, 'index.json'), 'utf8'))
    assert.deepEqual(index.manifests.map(({ digest }: { digest: string }) => digest), [image.manifest.digest])
    const total = [image.manifest, image.config, ...image.layers].reduce((sum, { size }) => sum + size, 0)
    assert.deepEqual(stored.stats.bytes, { total, origin: total, peers: 0, stored: 0 })
    assert.equal(origin.bytesSent(), total)
  })

  test('by digest works with the registry gone; by tag it does not, and no peer is asked', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const first = await nodes.start([], { origins: [origin] })
    const image = testImage({ seed: 2, layerSizes: [3 * mib, 1000] })
    image.addTo(origin, 'team/app', 'v1')
    await (await first.fetchImage(`${origin.host}/team/app:v1`)).close()
    await origin.close()
    const second = await nodes.start([first], { origins: [origin] })
    const reference = `${origin.host}/team/app@${image.manifest.digest}`
    await using stored = await second.fetchImage(reference, { platform: 'linux/amd64' })
    assert.equal(stored.stats.bytes.origin, 0)
    assert.equal(stored.stats.bytes.peers, stored.stats.bytes.total)
    await assert.rejects(second.fetchImage(`${origin.host}/team/app:v1`), { code: 'ERR_ORIGIN_UNAVAILABLE' })
  })

  test('an index gives each platform its own image', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const node = await nodes.start([], { origins: [origin] })
    const images = ['amd64', 'arm64'].map((architecture, seed) =>
      testImage({ seed: 10 + seed, layerSizes: [500], platform: { os: 'linux', architecture } }),
    )
    for (const image of images) image.addTo(origin, 'team/multi')
    const index = {
      schemaVersion: 2,
      mediaType: mediaTypes.ociIndex,
      manifests: images.map(({ manifest, platform }) => ({ ...manifest, platform })),
    }
    const bytes = Buffer.from(JSON.stringify(index))
    origin.addManifest('team/multi', 'v1', bytes, mediaTypes.ociIndex)
    for (const image of images) {
      const platform = `linux/${image.platform.architecture}`
      await using stored = await node.fetchImage(`${origin.host}/team/multi:v1`, { platform })
      assert.equal(stored.digest, digestOf(bytes))
      assert.equal(stored.manifest.digest, image.manifest.digest)
    }
    await assert.rejects(node.fetchImage(`${origin.host}/team/multi:v1`, { platform: 'linux/s390x' }), {
      code: 'ERR_REQUEST_PLATFORM',
    })
  })

  test('eight nodes that start at once have most of the image from each other, before any is complete', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const image = testImage({ seed: 3, layerSizes: [6 * mib, 3 * mib] })
    image.addTo(origin, 'team/app', 'v1')
    const bootstrap = await nodes.start([], { origins: [origin], discovery: [dht()] })
    const discovery = [dht(), peers(bootstrap.addresses)]
    const all = await Promise.all(
      Array.from({ length: 8 }, () => nodes.start([], { origins: [origin], discovery })),
    )
    await Promise.all(all.map((node) => node.fetchImage(`${origin.host}/team/app:v1`)))
    const total = 9 * mib
    const peerBytes = all.reduce((sum, node) => sum + node.stats().bytes.peers, 0)
    assert.ok(peerBytes > 0.5 * 8 * total, `${peerBytes} bytes came from peers`)
    const whileIncomplete = all.reduce((sum, node) => sum + node.stats().bytes.servedWhileIncomplete, 0)
    assert.ok(whileIncomplete >= 0.5 * peerBytes, `${whileIncomplete} of ${peerBytes} came from incomplete nodes`)
  })

  test('calls that share a tag keep one copy of it', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const node = await nodes.start([], { origins: [origin] })
    const image = testImage({ seed: 4, layerSizes: [2 * mib] })
    image.addTo(origin, 'team/app', 'v1')
    const images = await Promise.all(Array.from({ length: 10 }, () => node.fetchImage(`${origin.host}/team/app:v1`)))
    for (const stored of images) await stored.close()
    for (const { digest, size } of image.layers) assert.equal(origin.bytesSent(digest), size)
  })

  test('a tag is not asked for where no origin may be', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const node = await nodes.start([], { origins: [origin], origin: 'never' })
    await assert.rejects(node.fetchImage(`${origin.host}/team/app:v1`), { code: 'ERR_SWARM_NO_SOURCE' })
    assert.equal(origin.requests().total, 0)
  })

  test('a repository that is not there is a clear error', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const node = await nodes.start([], { origins: [origin] })
    await assert.rejects(node.fetchImage(`${origin.host}/none:v1`), { code: 'ERR_ORIGIN_NOT_FOUND' })
  })
})
