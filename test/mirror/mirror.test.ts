import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { embeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { testImage } from '../../src/testing/test-image.ts'
import { TestNodes } from '../support/nodes.ts'
import { mirrorOf, registry } from './mirror-fixture.ts'

const mib = 1024 * 1024

async function bytesOf(response: Response): Promise<Buffer> {
  return Buffer.from(await response.arrayBuffer())
}

describe('RegistryMirror', () => {
  test('serves an image as its registry has it', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const image = testImage({ seed: 1, layerSizes: [3 * mib, 5000] })
    image.addTo(origin, 'team/app', '1.0')
    const { mirror } = await mirrorOf(nodes, origin)
    const base = await fetch(`${mirror.url}/v2/`)
    assert.equal(base.status, 200)
    const byTag = await fetch(`${mirror.url}/v2/team/app/manifests/1.0?ns=${registry}`)
    assert.deepEqual(
      [byTag.status, byTag.headers.get('content-type'), byTag.headers.get('docker-content-digest'), byTag.headers.get('oci-namespace')],
      [200, image.manifest.mediaType, image.manifest.digest, registry],
    )
    assert.equal(digestOf(await bytesOf(byTag)), image.manifest.digest)
    const again = await fetch(`${mirror.url}/v2/${registry}/team/app/manifests/${image.manifest.digest}`, {
      headers: { 'if-none-match': byTag.headers.get('etag') ?? '' },
    })
    assert.equal(again.status, 304)
    for (const { digest, size } of [image.config, ...image.layers]) {
      const head = await fetch(`${mirror.url}/v2/team/app/blobs/${digest}`, { method: 'HEAD' })
      assert.deepEqual([head.status, head.headers.get('content-length')], [200, String(size)])
      const blob = await fetch(`${mirror.url}/v2/team/app/blobs/${digest}`)
      assert.deepEqual([blob.status, blob.headers.get('content-length'), blob.headers.get('content-type')], [200, String(size), 'application/octet-stream'])
      assert.equal(digestOf(await bytesOf(blob)), digest)
    }
    assert.ok(origin.bytesSent() <= image.layers[0]!.size * 1.1)
  })

  test('serves by digest what a peer seeds while the registry is gone; a tag it cannot resolve then', async () => {
    const origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const image = testImage({ seed: 2, layerSizes: [2 * mib] })
    image.addTo(origin, 'team/app', '1.0')
    const seed = await nodes.start([], { origins: [origin] })
    await using handle = await seed.seed({ reference: `${origin.host}/team/app:1.0` })
    const { mirror } = await mirrorOf(nodes, origin, { swarm: await nodes.start([seed]) })
    await origin.close()
    const tag = await fetch(`${mirror.url}/v2/team/app/manifests/1.0`)
    assert.equal(tag.status, 502)
    const manifest = await fetch(`${mirror.url}/v2/team/app/manifests/${handle.topic}`)
    assert.equal(digestOf(await bytesOf(manifest)), image.manifest.digest)
    const [layer] = image.layers
    const blob = await fetch(`${mirror.url}/v2/team/app/blobs/${layer?.digest}`)
    assert.equal(digestOf(await bytesOf(blob)), layer?.digest)
  })

  test('asks a registry that fails once for a manifest: the engine has other hosts', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    origin.fault('/v2/team/app/manifests/1.0', { status: 503 })
    const { mirror } = await mirrorOf(nodes, origin)
    assert.equal((await fetch(`${mirror.url}/v2/team/app/manifests/1.0`)).status, 502)
    assert.equal(origin.requests().total, 1)
  })

  test('can be mounted in another server', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(5, 2 * mib)
    origin.addBlob(content)
    const { mirror } = await mirrorOf(nodes, origin)
    const answer = await mirror.handler(new Request(`http://any.example/v2/a/blobs/${content.digest}`))
    assert.equal(digestOf(await bytesOf(answer)), content.digest)
  })

  test('P32: refuses what comes by the server that it is mounted in once it is closed', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const { mirror } = await mirrorOf(nodes, origin)
    await mirror.close()
    for (const path of ['', `a/blobs/${seededContent(6, 10).digest}`, 'a/manifests/x', 'a/tags/list']) {
      const answer = await mirror.handler(new Request(`http://any.example/v2/${path}`))
      const { errors } = (await answer.json()) as { errors: { code: string }[] }
      assert.deepEqual([answer.status, errors[0]?.code, answer.headers.get('connection')], [503, 'UNAVAILABLE', 'close'], path)
    }
    assert.equal(origin.requests().total, 0)
  })
})
