import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { mediaTypes } from '../../src/core/descriptor.ts'
import { testImage } from '../../src/testing/test-image.ts'
import { FakeRegistry } from './fake-registry.ts'
import { Spaces } from './misbehaviours.ts'
import { contentsOf, Pull } from './pull.ts'

const mib = 1024 * 1024
const image = testImage({ seed: 21, layerSizes: [5000, 2 * mib] })
const contents = contentsOf(image)
const manifest: Record<string, unknown> = JSON.parse(new TextDecoder().decode(image.manifestBytes))
const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))

/** Bytes in this process that are in use. */
function usedBytes(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

describe('an origin whose manifests are wrong', () => {
  for (const [what, encoding] of [
    ['5,000 encodings one in the other', Array.from({ length: 5000 }, () => 'gzip').join(',')],
    ['an encoding', 'gzip'],
  ] as const) {
    test(`O10: a manifest without end in ${what} is refused undecoded, in bounded memory`, async () => {
      await using registry = await FakeRegistry.open()
      registry.addImage(image, 'v1')
      let sentBytes = 0
      registry.misbehave('/manifests/', ({ response }) => {
        response.writeHead(200, { 'content-encoding': encoding, 'content-type': mediaTypes.ociManifest })
        const zeros = Buffer.alloc(64 * 1024)
        const more = (): void => void response.write(zeros, (error) => {
          sentBytes += zeros.byteLength
          if (!error) more()
        })
        more()
      })
      await using pull = await Pull.open([registry], contents)
      const before = usedBytes()
      await pull.fails(pull.image(registry), 'ERR_ORIGIN_ENCODING')
      const grownBytes = usedBytes() - before
      assert.ok(grownBytes <= 8 * mib, `${grownBytes} bytes more in use`)
      assert.ok(sentBytes <= 8 * mib, `${sentBytes} bytes were taken`)
      await pull.innocent()
    })
  }

  test('O16: addresses in a manifest are not followed', async () => {
    await using evil = await FakeRegistry.open()
    await using registry = await FakeRegistry.open()
    registry.addImage(image, 'v1')
    const layers = image.layers.map((layer) => ({ ...layer, urls: [`${evil.url}/blob`] }))
    registry.addManifest('urls', encode({ ...manifest, layers }))
    await using pull = await Pull.open([registry], contents)
    registry.misbehave(image.layers[1]?.digest ?? '', ({ response }) => void response.writeHead(404).end())
    await pull.fails(pull.image(registry, 'urls'), 'ERR_ORIGIN_NOT_FOUND')
    registry.misbehave(image.layers[1]?.digest ?? '', ({ serve }) => serve())
    await pull.image(registry, 'urls')
    for (const content of contents) assert.equal(await pull.isStored(content), true)
    assert.equal(evil.connectionCount, 0)
    await pull.innocent()
  })

  for (const [what, length] of [
    ['of 4 MiB and one byte', 4 * mib + 1],
    ['without end', Number.POSITIVE_INFINITY],
  ] as const) {
    test(`O19: a manifest ${what} is refused at the cap`, async () => {
      await using registry = await FakeRegistry.open()
      const spaces = new Spaces(length)
      registry.misbehave('/manifests/', ({ response }) => {
        response.writeHead(200, { 'content-type': mediaTypes.ociManifest })
        spaces.sendTo(response)
      })
      await using pull = await Pull.open([registry], contents)
      await pull.fails(pull.image(registry), 'ERR_ORIGIN_SIZE')
      assert.equal(registry.seen.length, 1)
      // What is over the cap is what sockets hold.
      assert.ok(spaces.takenBytes <= 12 * mib, `${spaces.takenBytes} bytes were taken`)
      await pull.innocent()
    })
  }

  for (const [what, value, contentType] of [
    ['an index with layers', { ...manifest, manifests: [], mediaType: mediaTypes.ociIndex }, mediaTypes.ociIndex],
    ['a manifest with manifests', { ...manifest, manifests: [] }, mediaTypes.ociManifest],
    ['a manifest that is served as an index', manifest, mediaTypes.ociIndex],
    ['an index that is served as a manifest', { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [] }, mediaTypes.ociManifest],
    ['a manifest that is served as text', manifest, 'text/plain'],
  ] as const) {
    test(`O21: ${what} is of no type that is read`, async () => {
      await using registry = await FakeRegistry.open()
      registry.addImage(image, 'v1')
      registry.addManifest('confused', encode(value), contentType)
      await using pull = await Pull.open([registry], contents)
      await pull.fails(pull.image(registry, 'confused'), 'ERR_ORIGIN_TYPE')
      for (const content of contents) assert.equal(await pull.isStored(content), false)
      await pull.innocent()
    })
  }

  test('O21: a Docker-Content-Digest that lies is a mismatch', async () => {
    await using registry = await FakeRegistry.open()
    registry.addImage(image, 'v1')
    registry.misbehave('/manifests/', ({ serve }) => serve(undefined, { 'docker-content-digest': `sha256:${'0'.repeat(64)}`, 'content-type': mediaTypes.ociManifest }))
    await using pull = await Pull.open([registry], contents)
    await pull.fails(pull.image(registry), 'ERR_ORIGIN_DIGEST')
    for (const content of contents) assert.equal(await pull.isStored(content), false)
    await pull.innocent()
  })

  test('O24: what the GET of a tag brings is the tag, by its own digest, whatever a HEAD would say', async () => {
    const later = testImage({ seed: 22, layerSizes: [3000] })
    await using registry = await FakeRegistry.open()
    registry.addImage(image, 'v1')
    registry.addImage(later, 'v2')
    registry.misbehave('/manifests/v1', ({ request, serve }) => {
      if (request.method === 'HEAD') return serve()
      const { digest, size } = later.manifest
      serve({ digest, sizeBytes: size, read: ({ offset, length }) => later.manifestBytes.subarray(offset, offset + length) }, { 'content-type': mediaTypes.ociManifest })
    })
    await using pull = await Pull.open([registry], [...contents, ...contentsOf(later)])
    await pull.image(registry)
    for (const content of contentsOf(later)) assert.equal(await pull.isStored(content), true)
    assert.deepEqual([...new Set(registry.seen.map(({ method }) => method))], ['GET'])
    await pull.innocent()
  })

  test('O24: a Link or a Location of an answer that is no redirect leads nowhere', async () => {
    await using evil = await FakeRegistry.open()
    await using registry = await FakeRegistry.open()
    registry.addImage(image, 'v1')
    registry.misbehave('/v2/', ({ request, serve }) => {
      const type = request.url?.includes('/manifests/') ? mediaTypes.ociManifest : mediaTypes.octetStream
      serve(undefined, { link: `<${evil.url}/v2/next>; rel="next"`, location: `${evil.url}/v2/other`, 'content-type': type })
    })
    await using pull = await Pull.open([registry], contents)
    await pull.image(registry)
    assert.equal(evil.connectionCount, 0)
    await pull.innocent()
  })
})
