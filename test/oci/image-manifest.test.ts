import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { mediaTypes } from '../../src/core/descriptor.ts'
import { parseManifest } from '../../src/oci/image-manifest.ts'

const digest = `sha256:${'0a'.repeat(32)}`
const config = { mediaType: mediaTypes.ociConfig, digest, size: 2 }
const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest, size: 1000 }
const manifest = { schemaVersion: 2, config, layers: [layer] }
const index = { schemaVersion: 2, manifests: [{ mediaType: mediaTypes.ociManifest, digest, size: 500 }] }

const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value))

describe('parseManifest', () => {
  test('an OCI manifest without a media type is inferred from its fields', () => {
    const parsed = parseManifest(bytes(manifest))
    assert.equal(parsed.kind, 'manifest')
    assert.equal(parsed.mediaType, mediaTypes.ociManifest)
    assert.deepEqual(parsed.kind === 'manifest' && parsed.layers, [layer])
  })

  test('an index without a media type is inferred from its fields', () => {
    assert.equal(parseManifest(bytes(index)).mediaType, mediaTypes.ociIndex)
  })

  test('a missing media type is what the registry says, if it is one of a manifest', () => {
    assert.equal(parseManifest(bytes(manifest), `${mediaTypes.dockerManifest}; charset=utf-8`).mediaType, mediaTypes.dockerManifest)
    assert.equal(parseManifest(bytes(manifest), 'application/json').mediaType, mediaTypes.ociManifest)
  })

  for (const [mediaType, document] of [
    [mediaTypes.ociManifest, manifest],
    [mediaTypes.dockerManifest, manifest],
    [mediaTypes.ociIndex, index],
    [mediaTypes.dockerIndex, index],
  ] as const) {
    test(`${mediaType} is read`, () => {
      assert.equal(parseManifest(bytes({ ...document, mediaType }), mediaType).mediaType, mediaType)
    })
  }

  test('platforms and annotations of an index are kept', () => {
    const platform = { os: 'windows', architecture: 'amd64', 'os.version': '10.0.1.2', features: ['x'] }
    const entry = { ...index.manifests[0], platform, annotations: { a: 'b', n: 7 } }
    const parsed = parseManifest(bytes({ ...index, manifests: [entry] }))
    assert.deepEqual(parsed.kind === 'index' && parsed.manifests, [
      {
        ...index.manifests[0],
        platform: { os: 'windows', architecture: 'amd64', 'os.version': '10.0.1.2' },
        annotations: { a: 'b' },
      },
    ])
  })

  test('urls of a layer are not kept', () => {
    const parsed = parseManifest(bytes({ ...manifest, layers: [{ ...layer, urls: ['https://evil.example/'] }] }))
    assert.equal(JSON.stringify(parsed).includes('evil'), false)
  })

  const refused: [what: string, document: unknown, contentType: string | undefined, code: string][] = [
    ['nothing', '', undefined, 'ERR_ORIGIN_TYPE'],
    ['a web page', '<html></html>', undefined, 'ERR_ORIGIN_TYPE'],
    ['a list', [], undefined, 'ERR_ORIGIN_TYPE'],
    ['null', null, undefined, 'ERR_ORIGIN_TYPE'],
    ['schema version 1', { ...manifest, schemaVersion: 1 }, undefined, 'ERR_ORIGIN_TYPE'],
    ['neither kind', { schemaVersion: 2 }, undefined, 'ERR_ORIGIN_TYPE'],
    ['layers with manifests', { ...index, layers: [] }, undefined, 'ERR_ORIGIN_TYPE'],
    ['config with manifests', { ...index, config }, undefined, 'ERR_ORIGIN_TYPE'],
    ['an index that claims to be a manifest', { ...index, mediaType: mediaTypes.ociManifest }, undefined, 'ERR_ORIGIN_TYPE'],
    ['an index sent as a manifest', index, mediaTypes.ociManifest, 'ERR_ORIGIN_TYPE'],
    ['another type than it was sent as', { ...manifest, mediaType: mediaTypes.ociManifest }, mediaTypes.dockerManifest, 'ERR_ORIGIN_TYPE'],
    ['a typed manifest sent as plain JSON', { ...manifest, mediaType: mediaTypes.ociManifest }, 'application/json', 'ERR_ORIGIN_TYPE'],
    ['an unknown type', { ...manifest, mediaType: 'application/x' }, undefined, 'ERR_ORIGIN_TYPE'],
    ['a type that is no text', { ...manifest, mediaType: 7 }, undefined, 'ERR_ORIGIN_TYPE'],
    ['layers that are no list', { ...manifest, layers: {} }, undefined, 'ERR_ORIGIN_TYPE'],
    ['no layers', { schemaVersion: 2, config }, undefined, 'ERR_ORIGIN_TYPE'],
    ['no config', { schemaVersion: 2, layers: [] }, undefined, 'ERR_ORIGIN_TYPE'],
    ['a layer that is text', { ...manifest, layers: ['x'] }, undefined, 'ERR_ORIGIN_TYPE'],
    ['an md5 digest', { ...manifest, layers: [{ ...layer, digest: 'md5:00' }] }, undefined, 'ERR_ORIGIN_TYPE'],
    ['a sha512 digest', { ...manifest, layers: [{ ...layer, digest: `sha512:${'0'.repeat(128)}` }] }, undefined, 'ERR_ORIGIN_TYPE'],
    ['no size', { ...manifest, config: { ...config, size: undefined } }, undefined, 'ERR_ORIGIN_SIZE'],
    ['size 0', { ...manifest, config: { ...config, size: 0 } }, undefined, 'ERR_ORIGIN_SIZE'],
    ['a negative size', { ...manifest, layers: [{ ...layer, size: -1 }] }, undefined, 'ERR_ORIGIN_SIZE'],
    ['a broken size', { ...manifest, layers: [{ ...layer, size: 1.5 }] }, undefined, 'ERR_ORIGIN_SIZE'],
    ['a size in text', { ...manifest, layers: [{ ...layer, size: '1' }] }, undefined, 'ERR_ORIGIN_SIZE'],
    ['a size over 1 TiB', { ...manifest, layers: [{ ...layer, size: 2 ** 40 + 1 }] }, undefined, 'ERR_ORIGIN_SIZE'],
    ['layers over 1 TiB together', { ...manifest, layers: [{ ...layer, size: 2 ** 40 }] }, undefined, 'ERR_ORIGIN_SIZE'],
    ['513 layers', { ...manifest, layers: Array.from({ length: 513 }, () => layer) }, undefined, 'ERR_ORIGIN_SIZE'],
    ['1001 entries', { ...index, manifests: Array.from({ length: 1001 }, () => layer) }, undefined, 'ERR_ORIGIN_SIZE'],
  ]
  for (const [what, document, contentType, code] of refused) {
    test(`${what} is refused with ${code}`, () => {
      assert.throws(() => parseManifest(bytes(document), contentType), { code })
    })
  }

  test('bytes that are not UTF-8 are refused', () => {
    assert.throws(() => parseManifest(Uint8Array.of(0x7b, 0xff, 0x7d)), { code: 'ERR_ORIGIN_TYPE' })
  })

  test('four MiB of nesting are refused quickly', () => {
    const started = performance.now()
    assert.throws(() => parseManifest(bytes('['.repeat(4 * 1024 * 1024))), { code: 'ERR_ORIGIN_TYPE' })
    assert.throws(() => parseManifest(bytes(`{"a":${'['.repeat(2 ** 21)}${']'.repeat(2 ** 21)}}`)), { code: 'ERR_ORIGIN_TYPE' })
    assert.ok(performance.now() - started < 5000)
  })
})
