import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { embeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { testImage } from '../../src/testing/test-image.ts'

describe('testImage', () => {
  const image = testImage({ seed: 3, layerSizes: [100_000, 1, 5000] })

  test('the same options make the same image', () => {
    const again = testImage({ seed: 3, layerSizes: [100_000, 1, 5000] })
    assert.deepEqual(again.manifestBytes, image.manifestBytes)
    assert.notEqual(testImage({ seed: 4, layerSizes: [9] }).manifest.digest, testImage({ seed: 5, layerSizes: [9] }).manifest.digest)
  })

  test('descriptors tell the digest and size of what they name', () => {
    assert.equal(digestOf(image.manifestBytes), image.manifest.digest)
    assert.equal(image.manifestBytes.byteLength, image.manifest.size)
    assert.deepEqual(image.layers.map(({ size }) => size), [100_000, 1, 5000])
    for (const descriptor of [image.config, ...image.layers]) {
      const bytes = image.content(descriptor.digest)?.read({ offset: 0, length: descriptor.size })
      assert.equal(digestOf(bytes ?? new Uint8Array()), descriptor.digest)
    }
  })

  test('an origin serves what was added to it, by tag and by digest', async () => {
    await using origin = await embeddedOrigin()
    image.addTo(origin, 'team/app', '1.0')
    for (const name of ['1.0', image.manifest.digest]) {
      const answer = await fetch(`${origin.url}/v2/team/app/manifests/${name}`)
      assert.equal(answer.headers.get('content-type'), image.manifest.mediaType)
      assert.deepEqual(new Uint8Array(await answer.arrayBuffer()), image.manifestBytes)
    }
    for (const { digest, size } of [image.config, ...image.layers]) {
      const answer = await fetch(`${origin.url}/v2/team/app/blobs/${digest}`)
      const bytes = new Uint8Array(await answer.arrayBuffer())
      assert.equal(bytes.byteLength, size)
      assert.equal(digestOf(bytes), digest)
    }
  })
})
