import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'vitest'
import { mediaTypes, type Descriptor } from '../../src/core/descriptor.ts'
import { digestOf } from '../../src/core/digest.ts'
import { ManifestResolver, type ManifestResolverInit } from '../../src/oci/manifest-resolver.ts'
import type { WantedManifest } from '../../src/oci/manifest-source.ts'
import { printPlatform } from '../../src/oci/platform.ts'
import { registryOrigin } from '../../src/oci/registry-origin.ts'
import type { EmbeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { testImage } from '../../src/testing/test-image.ts'
import { bytesOf, Harness } from './harness.ts'

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))
const amd64 = testImage({ seed: 1, layerSizes: [3000, 20] })
const arm64 = testImage({ seed: 2, layerSizes: [4000], platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } })
const entryOf = (image: typeof amd64): object => ({ ...image.manifest, platform: image.platform })
const index = encode({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [entryOf(amd64), entryOf(arm64)] })

let harness: Harness
let origin: EmbeddedOrigin
let resolver: ManifestResolver
beforeEach(async () => {
  harness = new Harness()
  origin = await harness.origin()
  amd64.addTo(origin, 'app', 'single')
  arm64.addTo(origin, 'app')
  origin.addManifest('app', 'multi', index, mediaTypes.ociIndex)
  resolver = make()
})
afterEach(async () => {
  await resolver.close()
  await harness[Symbol.asyncDispose]()
})

function make(init: ManifestResolverInit = {}): ManifestResolver {
  return new ManifestResolver({
    registries: { [origin.host]: { insecure: true } },
    credentials: 'anonymous',
    clock: harness.clock,
    ...init,
  })
}

const at = (name: string): string => `${origin.host}/app${name}`

describe('ManifestResolver.resolve', () => {
  test('a tag of one image gives its manifest, config and layers', async () => {
    const image = await resolver.resolve(at(':single'))
    assert.equal(image.digest, amd64.manifest.digest)
    assert.equal(image.index, undefined)
    assert.deepEqual(image.manifest.descriptor, amd64.manifest)
    assert.deepEqual(new Uint8Array(image.manifest.bytes), amd64.manifestBytes)
    assert.equal(image.config.digest, amd64.config.digest)
    assert.deepEqual(image.layers.map(({ digest, size }) => [digest, size]), amd64.layers.map(({ digest, size }) => [digest, size]))
    assert.equal(image.platform, undefined)
    assert.equal(image.usedCredentials, false)
    assert.equal(image.reference.tag, 'single')
  })

  test('a tag of an index gives the image of the platform', async () => {
    const image = await resolver.resolve(at(':multi'), { platform: 'linux/arm64' })
    assert.equal(image.digest, digestOf(index))
    assert.deepEqual(new Uint8Array(image.index?.bytes ?? []), index)
    assert.equal(image.index?.descriptor.mediaType, mediaTypes.ociIndex)
    assert.equal(image.manifest.descriptor.digest, arm64.manifest.digest)
    assert.equal(image.platform && printPlatform(image.platform), 'linux/arm64/v8')
  })

  test('a platform may be given in parts', async () => {
    const image = await resolver.resolve(at(':multi'), { platform: { os: 'linux', architecture: 'amd64' } })
    assert.equal(image.manifest.descriptor.digest, amd64.manifest.digest)
  })

  test('a platform that is not there is an error that says what is', async () => {
    await assert.rejects(resolver.resolve(at(':multi'), { platform: 'linux/s390x' }), {
      code: 'ERR_REQUEST_PLATFORM',
      message: /linux\/amd64, linux\/arm64\/v8/,
    })
  })

  test('a digest is asked once, a tag each time', async () => {
    for (let count = 0; count < 3; count++) await resolver.resolve(at(`@${amd64.manifest.digest}`))
    assert.equal(origin.requests().manifests, 1)
    for (let count = 0; count < 3; count++) await resolver.resolve(at(':multi'), { platform: 'linux/amd64' })
    assert.equal(origin.requests().manifests, 4)
  })

  test('a digest wins over the tag beside it', async () => {
    const image = await resolver.resolve(at(`:multi@${amd64.manifest.digest}`))
    assert.equal(image.digest, amd64.manifest.digest)
  })

  test('a tag that moved (O24) is what the registry says now', async () => {
    await resolver.resolve(at(':single'))
    origin.addManifest('app', 'single', arm64.manifestBytes, mediaTypes.ociManifest)
    assert.equal((await resolver.resolve(at(':single'))).digest, arm64.manifest.digest)
  })

  test('layers can be read where they are', async () => {
    const [layer] = await resolver.layers(at(':single'))
    assert.ok(layer)
    assert.equal(layer.origin.name, `${origin.host}/app`)
    const bytes = await bytesOf(layer.origin.read(undefined))
    assert.equal(digestOf(bytes), layer.digest)
  })

  test('layers whose size is wrong in the manifest are refused', async () => {
    const lying = encode({ schemaVersion: 2, config: amd64.config, layers: [{ ...amd64.layers[0], size: 2999 }] })
    origin.addManifest('app', 'lying', lying, mediaTypes.ociManifest)
    const [layer] = await resolver.layers(at(':lying'))
    await assert.rejects(async () => layer && bytesOf(layer.origin.read(undefined)), { code: 'ERR_ORIGIN_SIZE' })
  })

  test('foreign addresses of layers (O16) are not followed', async () => {
    const evil = await harness.origin()
    const foreign = { ...amd64.layers[0], urls: [`${evil.url}/layer`] }
    origin.addManifest('app', 'foreign', encode({ schemaVersion: 2, config: amd64.config, layers: [foreign] }), mediaTypes.ociManifest)
    const [layer] = await resolver.layers(at(':foreign'))
    assert.ok(layer)
    assert.equal(digestOf(await bytesOf(layer.origin.read(undefined))), layer.digest)
    assert.equal(evil.requests().total, 0)
  })

  const confusing: [what: string, bytes: Uint8Array, type: string, code: string][] = [
    ['an index with layers (O21)', encode({ schemaVersion: 2, manifests: [], layers: [] }), mediaTypes.ociIndex, 'ERR_ORIGIN_TYPE'],
    ['another type than is announced (O21)', index, mediaTypes.ociManifest, 'ERR_ORIGIN_TYPE'],
    ['a web page', new TextEncoder().encode('<html>'), 'text/html', 'ERR_ORIGIN_TYPE'],
  ]
  for (const [what, bytes, type, code] of confusing) {
    test(`${what} is refused, by tag and by digest`, async () => {
      const digest = origin.addManifest('app', 'odd', bytes, type)
      await assert.rejects(resolver.resolve(at(':odd')), { code })
      await assert.rejects(resolver.resolve(at(`@${digest}`)), { code })
    })
  }

  test('an index in an index is followed, and a third one is not', async () => {
    const wrap = (bytes: Uint8Array, tag: string): Uint8Array => {
      const child = { mediaType: mediaTypes.ociIndex, digest: digestOf(bytes), size: bytes.byteLength }
      const parent = encode({ schemaVersion: 2, manifests: [{ ...child, platform: amd64.platform }] })
      origin.addManifest('app', tag, parent, mediaTypes.ociIndex)
      return parent
    }
    const second = wrap(index, 'two')
    wrap(second, 'three')
    const image = await resolver.resolve(at(':two'), { platform: 'linux/amd64' })
    assert.equal(image.manifest.descriptor.digest, amd64.manifest.digest)
    await assert.rejects(resolver.resolve(at(':three'), { platform: 'linux/amd64' }), { code: 'ERR_ORIGIN_TYPE' })
  })

  test('an index that is wrong about the size of a manifest is refused', async () => {
    for (const size of [amd64.manifest.size + 1, 5 * 1024 * 1024]) {
      const wrong = encode({ schemaVersion: 2, manifests: [{ ...entryOf(amd64), size }] })
      origin.addManifest('app', 'wrong', wrong, mediaTypes.ociIndex)
      await assert.rejects(resolver.resolve(at(':wrong'), { platform: 'linux/amd64' }), { code: 'ERR_ORIGIN_SIZE' })
    }
  })

  test('a malformed reference asks nobody', async () => {
    await assert.rejects(resolver.resolve('team/App'), { code: 'ERR_REQUEST_NAME' })
    await assert.rejects(resolver.resolve(at(':single'), { platform: 'linux' }), { code: 'ERR_REQUEST_PLATFORM' })
    assert.equal(origin.requests().total, 0)
  })

  test('an aborted call asks nobody', async () => {
    await assert.rejects(resolver.resolve(at(':single'), { signal: AbortSignal.abort(new Error('enough')) }), /enough/)
    assert.equal(origin.requests().total, 0)
  })

  test('aborting rejects with the reason', async () => {
    origin.fault('/manifests/', { delayMs: 1000 })
    const controller = new AbortController()
    const rejected = assert.rejects(resolver.resolve(at(':single'), { signal: controller.signal }), /enough/)
    await harness.clock.reached(1000)
    controller.abort(new Error('enough'))
    await rejected
  })

  test('a host that was not said to be insecure is asked over TLS only', async () => {
    await using strict = make({ registries: {} })
    await assert.rejects(harness.clock.skipping(strict.resolve(at(':single'))), { code: 'ERR_ORIGIN_UNAVAILABLE' })
    assert.equal(origin.requests().total, 0)
  })
})

describe('ManifestResolver with a dead registry', () => {
  test('a tag is an error that says what would work', async () => {
    await origin.close()
    await assert.rejects(harness.clock.skipping(resolver.resolve(at(':single'))), {
      code: 'ERR_ORIGIN_UNAVAILABLE',
      message: /repository@sha256/,
    })
  })

  test('a tag that is not there is no reason to look for a digest', async () => {
    await assert.rejects(resolver.resolve(at(':missing')), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'ERR_ORIGIN_NOT_FOUND')
      assert.equal(error.message.includes('repository@sha256'), false)
      return true
    })
  })

  test('a digest that others have needs no registry', async () => {
    await origin.close()
    const blobs = new Map([[digestOf(index), index], [arm64.manifest.digest, arm64.manifestBytes]])
    const image = await resolver.resolve(at(`@${digestOf(index)}`), {
      platform: 'linux/arm64',
      fetch: async ({ digest }) => blobs.get(digest) ?? new Uint8Array(),
    })
    assert.equal(image.manifest.descriptor.digest, arm64.manifest.digest)
  })
})

describe('ManifestResolver with a fetch of its caller', () => {
  test('it is asked for what has a digest, and never for a tag', async () => {
    const wanted: WantedManifest[] = []
    const fetch = async (manifest: WantedManifest): Promise<Uint8Array> => {
      wanted.push(manifest)
      return bytesOf(manifest.origin.read(undefined))
    }
    await resolver.resolve(at(':multi'), { platform: 'linux/amd64', fetch })
    const { digest, size, mediaType }: Descriptor = amd64.manifest
    assert.deepEqual(wanted.map((manifest) => [manifest.digest, manifest.size, manifest.mediaType]), [[digest, size, mediaType]])
    assert.deepEqual(wanted[0]?.origin.hosts, [origin.host])
    await resolver.resolve(at(`@${arm64.manifest.digest}`), { fetch })
    assert.deepEqual([wanted[1]?.digest, wanted[1]?.size], [arm64.manifest.digest, undefined])
  })

  test('what it gives is checked', async () => {
    const fetch = async (): Promise<Uint8Array> => arm64.manifestBytes
    await assert.rejects(resolver.resolve(at(`@${amd64.manifest.digest}`), { fetch }), { code: 'ERR_ORIGIN_DIGEST' })
  })

  test('its failure is what the caller sees', async () => {
    const fetch = (): Promise<Uint8Array> => Promise.reject(new RangeError('no peer'))
    await assert.rejects(resolver.resolve(at(`@${amd64.manifest.digest}`), { fetch }), RangeError)
  })
})

describe('ManifestResolver and private images', () => {
  const auth = { scheme: 'bearer', username: 'u', password: 'p', publicRepositories: ['open'] } as const

  test('credentials that were needed are told of, from the cache as well', async () => {
    const guarded = await harness.origin({ auth })
    amd64.addTo(guarded, 'app', 'v1')
    amd64.addTo(guarded, 'open', 'v1')
    await using user = make({ registries: { [guarded.host]: { insecure: true, auth } } })
    assert.equal((await user.resolve(`${guarded.host}/open:v1`)).usedCredentials, false)
    assert.equal((await user.resolve(`${guarded.host}/app:v1`)).usedCredentials, true)
    assert.equal((await user.resolve(`${guarded.host}/app@${amd64.manifest.digest}`)).usedCredentials, true)
  })

  test('a public index of a private image is private', async () => {
    const guarded = await harness.origin({ auth })
    amd64.addTo(guarded, 'app', 'v1')
    guarded.addManifest('open', 'multi', index, mediaTypes.ociIndex)
    await using user = make({ registries: { [guarded.host]: { insecure: true, auth } } })
    await user.resolve(`${guarded.host}/app:v1`)
    const image = await user.resolve(`${guarded.host}/open:multi`, { platform: 'linux/amd64' })
    assert.equal(image.usedCredentials, true)
  })

  test('credentials that an origin needed in the hands of the caller are told of', async () => {
    const guarded = await harness.origin({ auth })
    amd64.addTo(guarded, 'app', 'v1')
    await using user = make({ registries: { [guarded.host]: { insecure: true } }, credentials: { [guarded.host]: auth } })
    const image = await user.resolve(`${guarded.host}/app@${amd64.manifest.digest}`, {
      fetch: ({ origin }) => bytesOf(origin.read(undefined)),
    })
    assert.equal(image.usedCredentials, true)
  })
})

describe('registryOrigin', () => {
  test('reads a manifest once, in any parts', async () => {
    const registries = harness.registries([origin])
    const reference = at(`@${amd64.manifest.digest}`)
    const manifest = registryOrigin({ reference, kind: 'manifest', registries })
    const first = await manifest.read({ offset: 0, length: 1 })
    assert.equal(first.sizeBytes, amd64.manifest.size)
    assert.deepEqual(await bytesOf(first), Buffer.from(amd64.manifestBytes.subarray(0, 1)))
    assert.deepEqual(await bytesOf(manifest.read(undefined)), Buffer.from(amd64.manifestBytes))
    assert.equal(origin.requests().manifests, 1)
    await assert.rejects(manifest.read({ offset: 0, length: 10_000 }), { code: 'ERR_REQUEST_RANGE' })
  })

  test('finds out the size of a blob', async () => {
    const blob = registryOrigin({ reference: at(''), digest: amd64.config.digest, registries: harness.registries([origin]) })
    const body = await blob.read({ offset: 0, length: 1 })
    assert.equal(body.sizeBytes, amd64.config.size)
    await bytesOf(body)
  })

  test('wants a digest', () => {
    assert.throws(() => registryOrigin({ reference: 'alpine:3.20' }), { code: 'ERR_REQUEST_DIGEST' })
  })
})
