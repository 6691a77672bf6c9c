import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'vitest'
import { mediaTypes } from '../../src/core/descriptor.ts'
import { digestOf } from '../../src/core/digest.ts'
import type { RegistryClient } from '../../src/oci/registry-client.ts'
import type { EmbeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { testImage } from '../../src/testing/test-image.ts'
import { bytesOf, Harness } from './harness.ts'

const kib = 1024
const content = seededContent(1, 600 * kib)
const { digest, sizeBytes } = content
const whole = Buffer.from(content.read({ offset: 0, length: sizeBytes }))
const image = testImage({ seed: 1, layerSizes: [10] })

let harness: Harness
let origin: EmbeddedOrigin
let client: RegistryClient
beforeEach(async () => {
  harness = new Harness()
  origin = await harness.origin()
  origin.addBlob(content)
  image.addTo(origin, 'app', 'v1')
  client = harness.client([origin])
})
afterEach(async () => {
  await harness[Symbol.asyncDispose]()
  assert.equal(harness.clock.timerCount, 0)
})

/** Reads a blob or a part of it, jumping over waits. */
function read(offset?: number, length?: number): Promise<Buffer> {
  const range = offset === undefined || length === undefined ? undefined : { offset, length }
  return harness.clock.skipping(bytesOf(client.blob('app', digest, { range, sizeBytes })))
}

function rejects(promise: Promise<unknown>, code: string): Promise<void> {
  return assert.rejects(harness.clock.skipping(promise), { code })
}

describe('RegistryClient.blob', () => {
  test('gives a blob whole, with its size', async () => {
    const body = await client.blob('app', digest)
    assert.equal(body.sizeBytes, sizeBytes)
    assert.equal(body.usedCredentials, false)
    assert.deepEqual(await bytesOf(body), whole)
    assert.equal(origin.seen()[0]?.headers['range'], undefined)
  })

  test('gives a range, and the size of the whole', async () => {
    const body = await client.blob('app', digest, { range: { offset: 1000, length: 5 } })
    assert.equal(body.sizeBytes, sizeBytes)
    assert.deepEqual(await bytesOf(body), whole.subarray(1000, 1005))
    assert.equal(origin.bytesSent(), 5)
  })

  test('an empty range costs no request', async () => {
    assert.equal((await read(5, 0)).byteLength, 0)
    assert.equal(origin.requests().total, 0)
  })

  test('ranges read one after the other share a connection', async () => {
    for (let offset = 0; offset < 10; offset++) await read(offset * kib, kib)
    const ports = new Set(origin.seen().map(({ port }) => port))
    assert.ok(ports.size <= 2, `${ports.size} connections`)
  })

  test('a reader who leaves early breaks the connection and frees its place', async () => {
    for (let count = 0; count < 20; count++) {
      for await (const chunk of (await client.blob('app', digest)).chunks) {
        assert.ok(chunk.byteLength > 0)
        break
      }
    }
  })

  test('a body that nobody reads is given up with its signal', async () => {
    for (let count = 0; count < 20; count++) {
      const controller = new AbortController()
      await client.blob('app', digest, { signal: controller.signal })
      controller.abort()
    }
  })

  test('bodies that nobody reads are given up after a minute, and make room for others', async () => {
    for (let count = 0; count < 8; count++) await client.blob('app', digest)
    const ninth = client.manifest('app', 'v1')
    harness.clock.advance(59_999)
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
    assert.equal(origin.requests().manifests, 0)
    harness.clock.advance(1)
    assert.equal((await ninth).digest, image.manifest.digest)
  })

  test('a reader who comes after a minute still gets everything', async () => {
    const body = await client.blob('app', digest)
    harness.clock.advance(60_000)
    assert.deepEqual(await harness.clock.skipping(bytesOf(body)), whole)
    assert.equal(origin.requests().blobs, 2)
  })

  test('aborting rejects with the reason', async () => {
    const controller = new AbortController()
    const chunks = (await client.blob('app', digest, { signal: controller.signal })).chunks[Symbol.asyncIterator]()
    await chunks.next()
    controller.abort(new Error('enough'))
    await assert.rejects(async () => {
      while (!(await chunks.next()).done);
    }, /enough/)
  })

  test('aborting ends a wait for the next try', async () => {
    origin.fault(digest, { status: 500 })
    const controller = new AbortController()
    const rejected = assert.rejects(client.blob('app', digest, { signal: controller.signal }), /enough/)
    while (harness.clock.nextMs === undefined || harness.clock.nextMs > 1000) await new Promise(setImmediate)
    controller.abort(new Error('enough'))
    await rejected
  })
})

describe('RegistryClient.blob from an origin that', () => {
  test('breaks off at half (O1): goes on where it ended, on condition that the blob is the same', async () => {
    origin.fault(digest, { cutAfterBytes: 300 * kib, times: 1 })
    assert.deepEqual(await read(), whole)
    const [, second] = origin.seen()
    assert.match(String(second?.headers['range']), /^bytes=\d+-614399$/)
    assert.equal(second?.headers['if-range'], `"${digest}"`)
  })

  test('breaks off each time (O1): is given up after five tries', async () => {
    origin.fault(digest, { cutAfterBytes: 10 * kib })
    await rejects(read(), 'ERR_ORIGIN_TRUNCATED')
    assert.equal(origin.requests().blobs, 5)
  })

  test('breaks off often, but gives a MiB between: is followed to the end', async () => {
    const large = seededContent(2, 12 * 1024 * kib)
    origin.addBlob(large)
    origin.fault(large.digest, { cutAfterBytes: 1536 * kib })
    const bytes = await harness.clock.skipping(bytesOf(client.blob('app', large.digest, { sizeBytes: large.sizeBytes })))
    assert.equal(digestOf(bytes), large.digest)
    assert.equal(origin.requests().blobs, 8)
  })

  test('sends an empty body (O2): is asked again', async () => {
    origin.fault(digest, { cutAfterBytes: 0, times: 2 })
    assert.deepEqual(await read(), whole)
  })

  test('sends more than the blob has (O3): is refused', async () => {
    origin.fault(digest, { extraBytes: 1 })
    await rejects(read(), 'ERR_ORIGIN_SIZE')
    assert.equal(origin.requests().blobs, 1)
  })

  test('sends more than the blob has in chunks (O3): is cut before the last byte is used', async () => {
    const small = seededContent(3, 100)
    origin.fault(small.digest, { status: 200, body: 'x'.repeat(101), headers: { 'transfer-encoding': 'chunked' } })
    let length = 0
    await rejects(
      (async () => {
        for await (const chunk of (await client.blob('app', small.digest, { sizeBytes: 100 })).chunks) length += chunk.byteLength
      })(),
      'ERR_ORIGIN_SIZE',
    )
    assert.ok(length < 100)
  })

  test('sends wrong bytes (O4): hands them on, for the reader has the digest', async () => {
    origin.fault(digest, { wrongBytes: true, times: 1 })
    assert.notDeepEqual(await read(), whole)
    assert.deepEqual(await read(), whole)
  })

  test('ignores ranges (O6): is read from the start', async () => {
    origin.fault(digest, { ignoreRange: true })
    assert.deepEqual(await read(1000, 500), whole.subarray(1000, 1500))
    assert.deepEqual(await read(0, 10), whole.subarray(0, 10))
    assert.equal(origin.requests().blobs, 2)
  })

  test('ignores ranges and breaks off (O6): is read from the start once more, and not asked for a range again', async () => {
    origin.fault(digest, { ignoreRange: true, cutAfterBytes: 200 * kib, times: 1 })
    origin.fault(digest, { ignoreRange: true })
    assert.deepEqual(await read(100 * kib, 400 * kib), whole.subarray(100 * kib, 500 * kib))
    assert.deepEqual(origin.seen().map(({ headers }) => headers['range']), ['bytes=102400-511999', undefined])
  })

  for (const [what, headers] of [
    ['a wrong place', { 'content-range': 'bytes 0-499/614400' }],
    ['no place', { 'content-range': 'here and there' }],
    ['several parts', { 'content-type': 'multipart/byteranges; boundary=x', 'content-range': '' }],
    ['more than was asked for', { 'content-range': 'bytes 1000-1500/614400' }],
  ] as const) {
    test(`answers a range with ${what} (O7): is read from the start instead`, async () => {
      origin.fault(digest, { headers, times: 1 })
      assert.deepEqual(await read(1000, 500), whole.subarray(1000, 1500))
      assert.equal(origin.requests().blobs, 2)
    })
  }

  test('answers a range of another whole (O7): is refused', async () => {
    origin.fault(digest, { headers: { 'content-range': 'bytes 1000-1499/614401' } })
    await rejects(read(1000, 500), 'ERR_ORIGIN_SIZE')
  })

  test('answers with a part where the whole was asked for (O7): is refused', async () => {
    origin.fault(digest, { status: 206, body: 'x', headers: { 'content-range': 'bytes 5-5/614400' } })
    await rejects(read(), 'ERR_ORIGIN_SIZE')
  })

  test('changes the blob between ranges (O8): the digest is to decide', async () => {
    origin.fault(digest, { cutAfterBytes: 300 * kib, headers: { etag: '"old"' }, times: 1 })
    assert.deepEqual(await read(), whole)
    assert.equal(origin.seen()[1]?.headers['if-range'], '"old"')
    await read(5, 5)
    assert.equal(origin.seen()[2]?.headers['range'], 'bytes=5-9')
  })

  test('has only a weak tag for it (O8): is not asked on condition', async () => {
    origin.fault(digest, { cutAfterBytes: 300 * kib, headers: { etag: 'W/"x"' }, times: 1 })
    assert.deepEqual(await read(), whole)
    assert.equal(origin.seen()[1]?.headers['if-range'], undefined)
  })

  test('encodes the body (O9): is refused', async () => {
    origin.fault(digest, { headers: { 'content-encoding': 'gzip' } })
    await rejects(read(), 'ERR_ORIGIN_ENCODING')
    assert.equal(origin.requests().blobs, 1)
  })

  test('fails at random (O12): is asked again', async () => {
    for (const status of [500, 502, 503, 504]) origin.fault(digest, { status, times: 1 })
    assert.deepEqual(await read(), whole)
    assert.equal(origin.requests().blobs, 1)
    assert.equal(origin.requests().total, 5)
  })

  test('fails always (O12): is given up after five tries, and after ten failures left alone for ten seconds', async () => {
    const heal = origin.fault('/v2/', { status: 503 })
    await rejects(read(), 'ERR_ORIGIN_UNAVAILABLE')
    assert.equal(origin.requests().total, 5)
    await rejects(read(), 'ERR_ORIGIN_UNAVAILABLE')
    await rejects(read(), 'ERR_ORIGIN_UNAVAILABLE')
    assert.equal(origin.requests().total, 10)
    heal()
    harness.clock.advance(10_000)
    assert.deepEqual(await read(), whole)
  })

  test('redirects to another host (O13): is followed, without what was meant for it', async () => {
    const cdn = await harness.origin()
    cdn.addBlob(content)
    const auth = { scheme: 'basic', username: 'u', password: 'canary' } as const
    const registry = await harness.origin({ auth })
    registry.fault(digest, { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' }, times: 1 })
    registry.fault(digest, { redirectTo: `${cdn.url}/v2/app/blobs/${digest}?sig=1` })
    client = harness.client([registry], { credentials: { [registry.host]: auth } })
    const body = await client.blob('app', digest, { range: { offset: 5, length: 10 } })
    assert.equal(body.usedCredentials, true)
    assert.deepEqual(await bytesOf(body), whole.subarray(5, 15))
    assert.ok(registry.seen()[1]?.headers['authorization'])
    assert.equal(JSON.stringify(cdn.seen()).includes('uthorization'), false)
  })

  test('redirects for ever (O14): is refused', async () => {
    origin.fault(digest, { redirectTo: `/v2/app/blobs/${digest}` })
    await rejects(read(), 'ERR_ORIGIN_REDIRECT')
    assert.equal(origin.requests().total, 6)
  })

  test('sends a byte a second (O25): is given up after thirty seconds, and not asked again', async () => {
    origin.fault(digest, { bytesPerSecond: 1 })
    const rejected = assert.rejects(bytesOf(client.blob('app', digest)), { code: 'ERR_ORIGIN_TIMEOUT' })
    await harness.clock.reached(30_000)
    await harness.clock.skipping(rejected)
    assert.equal(origin.requests().blobs, 1)
  })

  test('denies, and breaks off saying so: has denied', async () => {
    origin.fault(digest, { status: 403, body: 'x', headers: { 'content-length': '100' } })
    const rejected = rejects(read(), 'ERR_ORIGIN_DENIED')
    while (origin.requests().total === 0) await new Promise(setImmediate)
    await harness.clock.reached(30_000)
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
    harness.clock.advance(30_000)
    await rejected
  })

  for (const [status, code] of [
    [403, 'ERR_ORIGIN_DENIED'],
    [404, 'ERR_ORIGIN_NOT_FOUND'],
    [416, 'ERR_ORIGIN_SIZE'],
  ] as const) {
    test(`answers ${status}: is not asked again`, async () => {
      origin.fault(digest, { status })
      await rejects(read(), code)
      assert.equal(origin.requests().total, 1)
    })
  }

  test('does not know the blob: is not asked again', async () => {
    await rejects(bytesOf(client.blob('app', seededContent(9, 9).digest)), 'ERR_ORIGIN_NOT_FOUND')
    assert.equal(origin.requests().total, 1)
  })
})

describe('RegistryClient and the mercy of its host', () => {
  test('at most eight requests are under way', async () => {
    origin.fault(digest, { bytesPerSecond: 200 * kib })
    const bodies = Array.from({ length: 20 }, () => bytesOf(client.blob('app', digest)))
    while (origin.requests().total < 8) await new Promise(setImmediate)
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
    assert.equal(origin.requests().total, 8)
    await harness.clock.skipping(Promise.all(bodies))
    assert.equal(origin.requests().total, 20)
  })

  const waits: [header: string, waitMs: number][] = [
    ['5', 5000],
    ['1000000000', 60_000],
    ['Fri, 02 Jan 2026 00:00:00 GMT', 60_000],
  ]
  for (const status of [429, 503]) {
    for (const [header, waitMs] of waits) {
      test(`${status} with Retry-After ${header} (O11) holds all requests to the host back for ${waitMs / 1000} s`, async () => {
        origin.fault('/v2/', { status, headers: { 'retry-after': header }, times: 1 })
        const first = bytesOf(client.blob('app', digest, { range: { offset: 0, length: 10 } }))
        while ((harness.clock.nextMs ?? waitMs) > 250) await new Promise(setImmediate)
        const second = client.manifest('app', 'v1')
        harness.clock.advance(waitMs - 1)
        for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
        assert.equal(origin.requests().total, 1)
        harness.clock.advance(1)
        assert.deepEqual(await first, whole.subarray(0, 10))
        await second
        assert.equal(origin.requests().total, 3)
      })
    }
  }

  test('429 with garbage for Retry-After (O11) is waited out like any failure', async () => {
    origin.fault('/v2/', { status: 429, headers: { 'retry-after': 'whenever' }, times: 1 })
    assert.deepEqual(await read(0, 10), whole.subarray(0, 10))
  })

  test('429 without end (O11) is an error that says how long to stay away', async () => {
    origin.fault('/v2/', { status: 429, headers: { 'retry-after': '7' } })
    await assert.rejects(harness.clock.skipping(client.manifest('app', 'v1')), { code: 'ERR_ORIGIN_RATE', retryAfterMs: 7000 })
    assert.equal(origin.requests().total, 5)
  })

  test('no HEAD is ever sent', async () => {
    await client.manifest('app', 'v1')
    await read()
    assert.deepEqual(new Set(origin.seen().map(({ method }) => method)), new Set(['GET']))
  })
})

describe('RegistryClient.manifest', () => {
  test('gives the raw bytes, their type and their digest, by tag and by digest', async () => {
    for (const name of ['v1', image.manifest.digest]) {
      const answer = await client.manifest('app', name)
      assert.deepEqual(new Uint8Array(answer.bytes), image.manifestBytes)
      assert.equal(answer.mediaType, mediaTypes.ociManifest)
      assert.equal(answer.digest, image.manifest.digest)
      assert.equal(answer.usedCredentials, false)
    }
  })

  test('asks for all types that it reads', async () => {
    await client.manifest('app', 'v1')
    const accept = String(origin.seen()[0]?.headers['accept'])
    for (const type of [mediaTypes.ociManifest, mediaTypes.ociIndex, mediaTypes.dockerManifest, mediaTypes.dockerIndex]) {
      assert.ok(accept.includes(type))
    }
  })

  test('other bytes than those of the digest are refused', async () => {
    origin.fault('/manifests/', { wrongBytes: true })
    await rejects(client.manifest('app', image.manifest.digest), 'ERR_ORIGIN_DIGEST')
  })

  test('a tag whose announced digest is not that of its bytes (O21) is refused', async () => {
    origin.fault('/manifests/', { headers: { 'docker-content-digest': digest } })
    await rejects(client.manifest('app', 'v1'), 'ERR_ORIGIN_DIGEST')
  })

  test('an announced digest of another algorithm says nothing', async () => {
    origin.fault('/manifests/', { headers: { 'docker-content-digest': `sha512:${'0'.repeat(128)}` } })
    assert.equal((await client.manifest('app', 'v1')).digest, image.manifest.digest)
  })

  test('four MiB are read, and one byte more is not (O19)', async () => {
    const largest = new Uint8Array(4 * 1024 * kib)
    const tooLarge = new Uint8Array(4 * 1024 * kib + 1)
    origin.addManifest('app', 'largest', largest, 'x')
    origin.addManifest('app', 'too-large', tooLarge, 'x')
    assert.equal((await client.manifest('app', 'largest')).bytes.byteLength, largest.byteLength)
    await rejects(client.manifest('app', 'too-large'), 'ERR_ORIGIN_SIZE')
  })

  test('one that never ends is cut at four MiB (O19)', async () => {
    origin.addManifest('app', 'endless', new Uint8Array(1), 'x')
    origin.fault('/endless', { extraBytes: 2 ** 40, headers: { 'transfer-encoding': 'chunked' } })
    await rejects(client.manifest('app', 'endless'), 'ERR_ORIGIN_SIZE')
    assert.ok(origin.bytesSent() < 16 * 1024 * kib)
  })

  test('one that breaks off is asked for again', async () => {
    origin.fault('/manifests/', { cutAfterBytes: 100, times: 2 })
    assert.equal((await harness.clock.skipping(client.manifest('app', 'v1'))).digest, image.manifest.digest)
  })

  test('a thousand warnings (O20) are no answer', async () => {
    origin.fault('/manifests/', { headers: { warning: Array.from({ length: 1000 }, () => `299 - "${'w'.repeat(30)}"`) } })
    await rejects(client.manifest('app', 'v1'), 'ERR_ORIGIN_UNAVAILABLE')
  })
})

describe('RegistryClient with mirrors', () => {
  let mirror: EmbeddedOrigin
  beforeEach(async () => {
    mirror = await harness.origin()
    client = harness.client([origin, mirror], { registries: { [origin.host]: { insecure: true, mirrors: [mirror.url] } } })
  })

  test('a mirror that has it is asked, told whom it stands in for, and the registry is not', async () => {
    mirror.addBlob(content)
    assert.deepEqual(await read(), whole)
    assert.equal(origin.requests().total, 0)
    assert.equal(mirror.seen()[0]?.path, `/v2/app/blobs/${digest}?ns=${encodeURIComponent(origin.host)}`)
  })

  test('what the mirror does not have comes from the registry, at once', async () => {
    assert.equal((await client.manifest('app', 'v1')).digest, image.manifest.digest)
    assert.equal(mirror.requests().total, 1)
  })

  test('a body that breaks off at the mirror is finished at the registry', async () => {
    mirror.addBlob(content)
    mirror.fault(digest, { cutAfterBytes: 300 * kib, times: 1 })
    mirror.fault(digest, { status: 500 })
    assert.deepEqual(await read(), whole)
    assert.equal(origin.requests().blobs, 1)
    assert.equal(origin.seen()[0]?.headers['if-range'], undefined)
  })

  test('a mirror that is too slow is left, and the registry goes on', async () => {
    mirror.addBlob(content)
    mirror.fault(digest, { bytesPerSecond: 1 })
    const bytes = read()
    await harness.clock.reached(30_000)
    assert.deepEqual(await bytes, whole)
    assert.equal(mirror.requests().total, 1)
  })

  test('a mirror with wrong manifests does no harm', async () => {
    image.addTo(mirror, 'app', 'v1')
    mirror.fault('/manifests/', { wrongBytes: true })
    assert.equal((await client.manifest('app', image.manifest.digest)).digest, image.manifest.digest)
  })

  test('when all fail, the failure is that of the registry', async () => {
    mirror.fault('/v2/', { status: 403 })
    await rejects(client.manifest('app', 'missing'), 'ERR_ORIGIN_NOT_FOUND')
  })
})
