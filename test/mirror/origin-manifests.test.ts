import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { mediaTypes } from '../../src/core/descriptor.ts'
import { contentOf } from '../../src/testing/seeded-content.ts'
import { testImage } from '../../src/testing/test-image.ts'
import { testCertificate } from '../oci/certificate.ts'
import { serveRaw } from '../oci/servers.ts'
import { FakeRegistry } from '../origin/fake-registry.ts'
import { Spaces } from '../origin/misbehaviours.ts'
import { contentsOf } from '../origin/pull.ts'
import { OriginClient, type OriginClientOptions } from './origin-client.ts'

const mib = 1024 * 1024
const image = testImage({ seed: 86, layerSizes: [300_000] })
const later = testImage({ seed: 87, layerSizes: [3000] })
const manifest = contentOf(image.manifestBytes)
const [, content = assert.fail()] = contentsOf(image)
const { digest } = content
const document: Record<string, unknown> = JSON.parse(new TextDecoder().decode(image.manifestBytes))
const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))

describe('a client of a mirror whose registry has wrong manifests', () => {
  for (const [row, what, headers, lengthBytes, code] of [
    ['O10', '5,000 encodings one in the other', { 'content-encoding': Array.from({ length: 5000 }, () => 'gzip').join(',') }, Infinity, 'ERR_ORIGIN_ENCODING'],
    ['O10', 'an encoding, without end', { 'content-encoding': 'gzip' }, Infinity, 'ERR_ORIGIN_ENCODING'],
    ['O19', 'one byte more than 4 MiB', {}, 4 * mib + 1, 'ERR_ORIGIN_SIZE'],
    ['O19', 'no end', {}, Infinity, 'ERR_ORIGIN_SIZE'],
  ] as const) {
    for (const path of ['manifests/v1', `manifests/${manifest.digest}`, 'tags/list']) {
      test(`${row}: with ${what}: gets 502 for ${path.slice(0, 16)}`, async () => {
        await using registry = await FakeRegistry.open()
        const spaces = new Spaces(lengthBytes)
        registry.misbehave('/v2/', ({ response }) => {
          response.writeHead(200, { 'content-type': mediaTypes.ociManifest, ...headers })
          spaces.sendTo(response)
        })
        await using client = await OriginClient.open(registry)
        await client.failed(await client.get(path, { 'accept-encoding': 'gzip' }), code)
        // What is over the cap is what sockets hold.
        assert.ok(spaces.takenBytes <= 12 * mib, `${spaces.takenBytes} bytes were taken`)
      })
    }
  }

  test('O16: that send elsewhere for a layer: gets it from where the manifest came from, or 404', async () => {
    await using evil = await FakeRegistry.open()
    await using registry = await FakeRegistry.open()
    evil.addImage(image, 'v1')
    registry.addImage(image, 'v1')
    const bytes = encode({ ...document, layers: image.layers.map((layer) => ({ ...layer, urls: [`${evil.url}/v2/team/app/blobs/${layer.digest}`] })) })
    registry.addManifest('urls', bytes)
    await using client = await OriginClient.open(registry)
    await client.whole(await client.get('manifests/urls'), contentOf(bytes))
    registry.misbehave(digest, ({ response }) => void response.writeHead(404).end())
    await client.refused(await client.blob(content), 404, 'BLOB_UNKNOWN')
    registry.misbehave(digest, ({ serve }) => serve())
    await client.whole(await client.blob(content), content)
    assert.equal(evil.connectionCount, 0)
  })

  for (const [what, value, contentType] of [
    ['an index with layers', { ...document, manifests: [], mediaType: mediaTypes.ociIndex }, mediaTypes.ociIndex],
    ['a manifest with manifests', { ...document, manifests: [] }, mediaTypes.ociManifest],
    ['a manifest that is served as an index', document, mediaTypes.ociIndex],
    ['an index that is served as a manifest', { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [] }, mediaTypes.ociManifest],
    ['a manifest that is served as text', document, 'text/plain'],
  ] as const) {
    test(`O21: ${what}: gets 404`, async () => {
      await using registry = await FakeRegistry.open()
      registry.addManifest('confused', encode(value), contentType)
      await using client = await OriginClient.open(registry)
      await client.refused(await client.get('manifests/confused'), 404, 'MANIFEST_UNKNOWN')
      assert.equal(await client.isStored(contentOf(encode(value))), false)
    })
  }

  test('O21: whose digest is another one than announced, or asked for: gets 502', async () => {
    await using registry = await FakeRegistry.open()
    registry.addManifest('v1', image.manifestBytes)
    await using client = await OriginClient.open(registry)
    registry.misbehave('/manifests/', ({ serve }) => serve(undefined, { 'docker-content-digest': later.manifest.digest }))
    await client.failed(await client.get('manifests/v1'), 'ERR_ORIGIN_DIGEST')
    registry.misbehave('/manifests/', ({ serve }) => serve(contentOf(later.manifestBytes), { 'content-type': mediaTypes.ociManifest, 'docker-content-digest': manifest.digest }))
    await client.failed(await client.get(`manifests/${manifest.digest}`), 'ERR_ORIGIN_DIGEST')
    assert.equal(await client.isStored(manifest), false)
  })

  test('O24: that change between HEAD and GET: gets with each answer the digest of what it stands for', async () => {
    await using registry = await FakeRegistry.open()
    registry.addImage(image, 'v1')
    await using client = await OriginClient.open(registry)
    const head = await fetch(`${client.mirror.url}/v2/team/app/manifests/v1`, { method: 'HEAD' })
    assert.deepEqual([head.status, head.headers.get('docker-content-digest')], [200, manifest.digest])
    registry.addImage(later, 'v1')
    await client.whole(await client.get('manifests/v1'), contentOf(later.manifestBytes))
    await client.whole(await client.get(`manifests/${manifest.digest}`), manifest)
  })

  test('O24: with a Link and a Location to another host: gets the image, and neither', async () => {
    await using evil = await FakeRegistry.open()
    await using registry = await FakeRegistry.open()
    registry.addImage(image, 'v1')
    registry.misbehave('/v2/', ({ request, serve }) => {
      const type = request.url?.includes('/manifests/') ? mediaTypes.ociManifest : mediaTypes.octetStream
      serve(undefined, { link: `<${evil.url}/v2/next>; rel="next"`, location: `${evil.url}/v2/other`, 'content-type': type })
    })
    await using client = await OriginClient.open(registry)
    for (const [path, expected] of [['manifests/v1', manifest], [`blobs/${digest}`, content]] as const) {
      const answer = await client.get(path)
      assert.deepEqual([answer.headers.get('link'), answer.headers.get('location')], [null, null])
      await client.whole(answer, expected)
    }
    assert.equal(evil.connectionCount, 0)
  })

  test('O24: with tags whose next page is at another host: goes on at the mirror, if anywhere', async () => {
    await using evil = await FakeRegistry.open()
    await using registry = await FakeRegistry.open()
    const pages = new Map([['', '1'], ['?n=1&last=1', '2']])
    registry.misbehave('/tags/list', ({ request, response }) => {
      const query = new URL(request.url ?? '', 'http://x').search
      const tag = pages.get(query)
      response.writeHead(200, { 'content-type': 'application/json', ...(query === '' && { link: `<${evil.url}/v2/team/app/tags/list?n=1&last=1>; rel="next"` }) })
      response.end(JSON.stringify({ name: 'team/app', tags: [tag] }))
    })
    await using client = await OriginClient.open(registry)
    const first = await client.get('tags/list')
    const link = first.headers.get('link')
    assert.deepEqual(await first.json(), { name: 'team/app', tags: ['1'] })
    assert.ok(!link?.includes(evil.host))
    const next = link === null ? undefined : new URL(/^<([^>]*)>; rel="next"$/.exec(link)?.[1] ?? '', first.url)
    if (next) {
      assert.equal(next.origin, client.mirror.url)
      assert.deepEqual(await (await fetch(next)).json(), { name: 'team/app', tags: ['2'] })
    }
    assert.equal(evil.connectionCount, 0)
  })
})

describe('a client of a mirror whose registry cannot be reached, or understood', () => {
  const bytes = Buffer.from(image.manifestBytes)
  const ok = `HTTP/1.1 200 OK\r\ncontent-type: application/vnd.oci.image.manifest.v1+json\r\ncontent-length: ${bytes.byteLength}\r\n`

  /** A tag gets 502, at once; a blob that a peer has comes all the same. */
  async function isUnavailable(url: string, settings: OriginClientOptions['settings'] = {}): Promise<void> {
    await using client = await OriginClient.open({ url }, { settings, peerHas: [content] })
    await client.failed(await client.getInTime('manifests/v1'), 'ERR_ORIGIN_UNAVAILABLE')
    await client.whole(await client.blob(content), content)
  }

  for (const [what, answer] of [
    ['O20: 64 KiB of headers', `${ok}x-long: ${'y'.repeat(65_536)}\r\n\r\n`],
    ['O20: a thousand warnings', `${ok}${`warning: 299 - "${'w'.repeat(50)}"\r\n`.repeat(1000)}\r\n`],
    ['O27: a length and chunks', `${ok}transfer-encoding: chunked\r\n\r\n`],
    ['O27: two lengths', `${ok}content-length: 1\r\n\r\n`],
    ['O27: a folded header', `${ok}x-folded: a\r\n b\r\ntransfer-\r\n encoding: chunked\r\n\r\n`],
    ['O27: 100 Continue without end', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(1000)],
    ['O27: no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
  ] as const) {
    test(`${what}: gets 502 for a tag, and what a peer has`, async () => {
      await using server = await serveRaw((socket) => {
        socket.write(answer, 'latin1')
        socket.end(bytes)
      })
      await isUnavailable(server.url)
    })
  }

  test('O27: gets nothing of a second answer that came unasked', async () => {
    await using server = await serveRaw((socket) => {
      socket.write(Buffer.concat([Buffer.from(`${ok}\r\n`), bytes, Buffer.from(`${ok}\r\n`), bytes.map((byte) => ~byte)]))
    })
    await using client = await OriginClient.open(server)
    for (let turn = 0; turn < 2; turn++) await client.whole(await client.getInTime('manifests/v1'), manifest)
  })

  for (const [what, certificate] of [
    ['has expired', testCertificate('127.0.0.1', '20200101000000Z', '20200102000000Z')],
    ['is for another host', testCertificate('other.example')],
  ] as const) {
    test(`O23: whose certificate ${what}: gets 502 for a tag, and what a peer has; the registry is sent nothing`, async () => {
      await using registry = await FakeRegistry.open({ certificate, address: '127.0.0.1' })
      await isUnavailable(registry.url, { insecure: false, ca: certificate.cert, auth: { username: 'user', password: 'canary' } })
      assert.deepEqual(registry.seen, [])
    })
  }

  test('O23: whose name is nobody’s: gets 502 for a tag, and what a peer has', async () => {
    await isUnavailable('https://does-not-exist.invalid')
  })

  test('O23: who never ends its handshake: gets 502 for a tag after ten seconds, and what a peer has meanwhile', async () => {
    await using server = await serveRaw(() => {})
    await using client = await OriginClient.open({ url: `https://${server.host}` }, { peerHas: [content] })
    const tag = client.getInTime('manifests/v1')
    while (server.connectionCount === 0) await new Promise(setImmediate)
    await client.whole(await client.getInTime(`blobs/${digest}`), content)
    await client.clock.reached(10_000)
    client.clock.advance(10_000)
    await client.failed(await tag, 'ERR_ORIGIN_')
  })
})
