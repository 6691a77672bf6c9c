import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { mediaTypes } from '../../src/core/descriptor.ts'
import { digestOf } from '../../src/core/digest.ts'
import { embeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { contentOf, seededContent, type BlobContent } from '../../src/testing/seeded-content.ts'
import { testImage } from '../../src/testing/test-image.ts'
import { FakeRegistry } from '../origin/fake-registry.ts'
import { TestNodes } from '../support/nodes.ts'
import { ask, mirrorOf, parseAnswer, rawExchange, registry, watchedStore } from './mirror-fixture.ts'

const mib = 1024 * 1024

function wholeOf(content: BlobContent): Buffer {
  return Buffer.from(content.read({ offset: 0, length: content.sizeBytes }))
}

async function bytesOf(response: Response): Promise<Buffer> {
  return Buffer.from(await response.arrayBuffer())
}

/** Status and code of a refusal. */
async function refusalOf(response: Response): Promise<[number, string | undefined]> {
  const { errors } = (await response.json()) as { errors: { code: string }[] }
  return [response.status, errors[0]?.code]
}

/** What says something of a resource, without what says something of the moment. */
function headersOf({ headers }: Response): Record<string, string> {
  return Object.fromEntries([...headers].filter(([name]) => !['date', 'connection', 'keep-alive'].includes(name)))
}

describe('ranges of a blob', () => {
  const content = seededContent(1, 3 * mib)
  const { sizeBytes: size } = content
  const all = wholeOf(content)

  async function parts(use: (part: (range: string, headers?: Record<string, string>) => Promise<Response>) => Promise<void>): Promise<void> {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    origin.addBlob(content)
    const { mirror } = await mirrorOf(nodes, origin)
    await use((range, headers = {}) => fetch(`${mirror.url}/v2/a/blobs/${content.digest}`, { headers: { range, ...headers } }))
  }

  test('P9: that are none are ignored', () =>
    parts(async (part) => {
      for (const range of ['bytes=5-1', 'bytes=a-b', 'bytes=-', 'bytes=', 'bytes=9999999999999999999-', 'bytes=0-9999999999999999999', 'bytes=-9999999999999999999', 'bytes=0x0-1', 'bytes=1.5-2', 'items=0-1', 'bytes=0-1,x']) {
        const answer = await part(range)
        assert.deepEqual([answer.status, answer.headers.get('content-length'), answer.headers.get('content-range')], [200, String(size), null], range)
        assert.ok((await bytesOf(answer)).equals(all), range)
      }
      assert.equal((await part('bytes=0-9', { 'if-range': '"other"' })).status, 200)
    }))

  test('P10: that begin behind its end cannot be answered', () =>
    parts(async (part) => {
      for (const range of [`bytes=${size}-`, `bytes=${size}-${size + 1}`, 'bytes=999999999999999-', 'bytes=-0', `bytes=${size}-,${size + 5}-`]) {
        const answer = await part(range)
        assert.deepEqual([answer.headers.get('content-range'), ...(await refusalOf(answer))], [`bytes */${size}`, 416, 'SIZE_INVALID'], range)
      }
    }))

  test('P11: that are inside are exact', () =>
    parts(async (part) => {
      const table = [['bytes=0-0', 0, 1], ['bytes=-100', size - 100, size], [`bytes=-${size + 5}`, 0, size], [`bytes=${2 * mib}-`, 2 * mib, size], ['bytes=5-', 5, size], ['bytes=1000000-99999999999', 1_000_000, size], [`bytes=${size - 1}-`, size - 1, size]] as const
      for (const [range, from, to] of table) {
        const answer = await part(range)
        assert.deepEqual([answer.status, answer.headers.get('content-range'), answer.headers.get('content-length')], [206, `bytes ${from}-${to - 1}/${size}`, String(to - from)], range)
        assert.ok((await bytesOf(answer)).equals(all.subarray(from, to)), range)
      }
    }))

  test('P11: of which there are several come in one answer, and more than sixty-four as the whole', () =>
    parts(async (part) => {
      const answer = await part('bytes=0-9, 2000000-2000009 ,-5')
      const [, boundary = ''] = /^multipart\/byteranges; boundary=(\w+)$/.exec(answer.headers.get('content-type') ?? '') ?? []
      assert.deepEqual([answer.status, answer.headers.get('content-range')], [206, null])
      const body = await bytesOf(answer)
      assert.equal(answer.headers.get('content-length'), String(body.byteLength))
      const read = body.toString('latin1').split(`\r\n--${boundary}`)
      const expected = [[0, 10], [2_000_000, 2_000_010], [size - 5, size]].map(([from = 0, to = 0]) =>
        `\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes ${from}-${to - 1}/${size}\r\n\r\n${all.subarray(from, to).toString('latin1')}`)
      assert.deepEqual(read, ['', ...expected, '--\r\n'])
      const hundred = await part(`bytes=${Array.from({ length: 100 }, (_, index) => `${index * 10}-${index * 10}`).join()}`)
      assert.equal(hundred.status, 200)
      assert.ok((await bytesOf(hundred)).equals(all))
    }))
})

describe('HEAD', () => {
  test('P13: has the headers of GET and no body, and loads nothing of a blob', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const image = testImage({ seed: 1, layerSizes: [3 * mib] })
    image.addTo(origin, 'team/app', '1.0')
    const alone = seededContent(2, 2 * mib)
    origin.addBlob(alone)
    const { store, asked } = await watchedStore(nodes)
    const { mirror, swarm } = await mirrorOf(nodes, origin, { node: { store } })
    const head = async (path: string): Promise<Record<string, string>> => {
      const answer = await fetch(`${mirror.url}/v2/team/app/${path}`, { method: 'HEAD' })
      assert.deepEqual([answer.status, await answer.text()], [200, ''], path)
      return headersOf(answer)
    }
    // Of a blob that no manifest named its size is asked for, by its first byte.
    const before = [await head(`blobs/${alone.digest}`), await head('manifests/1.0'), await head(`manifests/${image.manifest.digest}`)]
    const blobs = [image.config, ...image.layers].map(({ digest }) => digest)
    for (const digest of blobs) before.push(await head(`blobs/${digest}`))
    assert.deepEqual([origin.bytesSent(alone.digest), ...blobs.map((digest) => origin.bytesSent(digest))], [1, 0, 0])
    assert.deepEqual(origin.seen().filter(({ path }) => path.includes('/blobs/')).map(({ headers }) => headers['range']), ['bytes=0-0'])
    // Only the manifest was kept.
    assert.equal(asked.filter((name) => name === 'put').length, 1)
    assert.ok([alone.digest, ...blobs].every((digest) => swarm.explain(digest).phase === undefined))
    const paths = [`blobs/${alone.digest}`, 'manifests/1.0', `manifests/${image.manifest.digest}`, ...blobs.map((digest) => `blobs/${digest}`)]
    const after = []
    for (const path of paths) {
      const answer = await fetch(`${mirror.url}/v2/team/app/${path}`)
      assert.equal(String((await bytesOf(answer)).byteLength), answer.headers.get('content-length'), path)
      assert.deepEqual(await head(path), headersOf(answer), `${path}, which is here now`)
      after.push(headersOf(answer))
    }
    assert.deepEqual(before, after)
    // Ranges are of GET.
    const ranged = await ask(mirror.url, `/v2/team/app/blobs/${alone.digest}`, { method: 'HEAD', headers: 'range: bytes=0-9\r\n' })
    assert.deepEqual([ranged.status, ranged.headers.get('content-length'), ranged.body], [200, String(alone.sizeBytes), ''])
  })

  test('P13: of what is nowhere is not found', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const { mirror } = await mirrorOf(nodes, origin)
    const { digest } = seededContent(3, 10)
    for (const path of [`blobs/${digest}`, `manifests/${digest}`, 'manifests/1.0']) {
      const answer = await ask(mirror.url, `/v2/a/${path}`, { method: 'HEAD' })
      assert.deepEqual([answer.status, answer.body], [404, ''], path)
    }
  })
})

describe('answers of a mirror', () => {
  test('P21: are framed as the connection wants it', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(4, 300_000)
    origin.addBlob(content)
    const { mirror } = await mirrorOf(nodes, origin)
    const request = (path: string, method = 'GET'): string => `${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`
    const blob = `/v2/a/blobs/${content.digest}`
    const pipelined = [request('/v2/A/manifests/x'), request('/v2/'), request(blob, 'HEAD'), request(blob), request('/elsewhere'), request('/v2/')].join('')
    const text = await rawExchange(mirror.url, pipelined, (answer) => answer.split('HTTP/1.1 ').length > 6 && answer.endsWith('{}'))
    const answers = text.split(/(?=HTTP\/1\.1 \d{3} )/).map(parseAnswer)
    assert.deepEqual(answers.map(({ status }) => status), [400, 200, 200, 200, 404, 200])
    for (const [index, { headers, body }] of answers.entries()) assert.equal(body.length, index === 2 ? 0 : Number(headers.get('content-length')))
    assert.ok(Buffer.from(answers[3]?.body ?? '', 'latin1').equals(wholeOf(content)))
    // HTTP/1.0 knows no chunks, and ends with the connection unless it says otherwise.
    const old = parseAnswer(await rawExchange(mirror.url, `GET ${blob} HTTP/1.0\r\n\r\n`))
    assert.deepEqual([old.status, old.headers.get('connection'), old.headers.get('transfer-encoding')], [200, 'close', undefined])
    assert.ok(Buffer.from(old.body, 'latin1').equals(wholeOf(content)))
    const kept = await rawExchange(mirror.url, 'GET /v2/ HTTP/1.0\r\nconnection: keep-alive\r\n\r\nGET /nowhere HTTP/1.0\r\n\r\n')
    assert.deepEqual(kept.match(/HTTP\/1\.1 \d{3}/g), ['HTTP/1.1 200', 'HTTP/1.1 404'])
  })

  test('P22: know no blob by the digest of a manifest, nor a manifest by that of a blob', async () => {
    await using origin = await FakeRegistry.open()
    await using nodes = new TestNodes()
    const image = testImage({ seed: 5, layerSizes: [5 * mib, 5000] })
    origin.addImage(image, '1.0')
    const { store, asked } = await watchedStore(nodes)
    const { mirror } = await mirrorOf(nodes, origin, { node: { store } })
    const get = (path: string, headers = {}): Promise<Response> => fetch(`${mirror.url}/v2/team/app/${path}`, { headers })
    const blobs = [image.config, ...image.layers]
    const refused = async (when: string): Promise<void> => {
      for (const { digest } of blobs) assert.deepEqual(await refusalOf(await get(`manifests/${digest}`)), [404, 'MANIFEST_UNKNOWN'], `${digest} ${when}`)
      const { digest } = image.manifest
      assert.deepEqual(await refusalOf(await get(`blobs/${digest}`)), [404, 'BLOB_UNKNOWN'], when)
      assert.deepEqual(await refusalOf(await get(`blobs/${digest}`, { 'if-none-match': `"${digest}"` })), [404, 'BLOB_UNKNOWN'], when)
      assert.equal((await fetch(`${mirror.url}/v2/team/app/blobs/${digest}`, { method: 'HEAD' })).status, 404, when)
    }
    await refused('that is nowhere as such')
    assert.equal((await get('manifests/1.0')).status, 200)
    for (const { digest } of blobs) assert.equal(digestOf(await bytesOf(await get(`blobs/${digest}`))), digest)
    asked.length = 0
    await refused('that is here as something else')
    // The large one is not read to find that out.
    assert.equal(asked.filter((name) => name === 'read').length, 2)
    // The registry itself does not mind.
    origin.addBlob(contentOf(image.manifestBytes))
    for (const { digest } of blobs) {
      const content = image.content(digest)
      origin.misbehave(`manifests/${digest}`, ({ serve }) => serve(content))
    }
    await refused('that the registry would give')
    const { mirror: cold } = await mirrorOf(nodes, origin)
    for (const { digest, size } of blobs) {
      // One that gives more than any manifest has fails, whatever it is that it gives: O19.
      const expected = size > 4 * mib ? [502, 'UNAVAILABLE'] : [404, 'MANIFEST_UNKNOWN']
      assert.deepEqual(await refusalOf(await fetch(`${cold.url}/v2/team/app/manifests/${digest}`)), expected)
    }
  })

  test('P22: give as a blob what nobody said is a manifest, and what a manifest calls its own', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const inner = testImage({ seed: 6, layerSizes: [100] })
    inner.addTo(origin, 'team/app', 'inner')
    const outer = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config: inner.config, layers: [inner.manifest] }
    origin.addManifest('team/app', 'outer', Buffer.from(JSON.stringify(outer)), mediaTypes.ociManifest)
    origin.addBlob(inner.manifestBytes)
    const { mirror } = await mirrorOf(nodes, origin)
    const get = (path: string): Promise<Response> => fetch(`${mirror.url}/v2/team/app/${path}`)
    const { mirror: cold } = await mirrorOf(nodes, origin)
    // As its registry does, whose word it goes by.
    assert.equal(digestOf(await bytesOf(await fetch(`${cold.url}/v2/team/app/blobs/${inner.manifest.digest}`))), inner.manifest.digest)
    assert.equal((await get('manifests/inner')).status, 200)
    assert.equal((await get(`blobs/${inner.manifest.digest}`)).status, 404)
    assert.equal((await get('manifests/outer')).status, 200)
    assert.equal(digestOf(await bytesOf(await get(`blobs/${inner.manifest.digest}`))), inner.manifest.digest)
  })

  test('P23: are of the type that is there, and empty for who has them', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const image = testImage({ seed: 7, layerSizes: [5000] })
    image.addTo(origin, 'team/app', '1.0')
    const { mirror } = await mirrorOf(nodes, origin)
    const { digest, mediaType } = image.manifest
    const paths = ['manifests/1.0', `manifests/${digest}`, `blobs/${image.layers[0]?.digest}`, `blobs/${image.config.digest}`]
    for (const path of paths) {
      const url = `${mirror.url}/v2/team/app/${path}`
      for (const accept of [mediaTypes.dockerManifest, 'text/html', `${mediaTypes.ociIndex};q=0.5`, 'nonsense']) {
        const answer = await fetch(url, { headers: { accept } })
        assert.deepEqual([answer.status, answer.headers.get('content-type')], [200, path.startsWith('blobs') ? 'application/octet-stream' : mediaType], `${path} for ${accept}`)
      }
      const etag = (await fetch(url)).headers.get('etag') ?? ''
      for (const tags of [etag, `W/${etag}`, `"x", ${etag}`, `"x" ,W/${etag}, "y"`, '*', ' * ']) {
        for (const method of ['GET', 'HEAD']) {
          const answer = await ask(mirror.url, `/v2/team/app/${path}`, { method, headers: `if-none-match: ${tags}\r\n` })
          assert.deepEqual([answer.status, answer.body, answer.headers.get('etag')], [304, '', etag], `${method} ${path} for ${tags}`)
        }
      }
      for (const tags of ['"x"', etag.replaceAll('"', ''), `${etag.slice(0, -2)}"`, '']) {
        assert.equal((await fetch(url, { headers: { 'if-none-match': tags } })).status, 200, `${path} for ${tags}`)
      }
    }
    // Nobody has what is nowhere.
    const { digest: absent } = seededContent(8, 10)
    for (const path of [`blobs/${absent}`, `manifests/${absent}`]) {
      for (const tags of ['*', `"${absent}"`]) assert.equal((await fetch(`${mirror.url}/v2/team/app/${path}`, { headers: { 'if-none-match': tags } })).status, 404, path)
    }
  })

  test('P24: do not make up what a tag is while its registry is down', async () => {
    const origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const image = testImage({ seed: 9, layerSizes: [5000] })
    image.addTo(origin, 'team/app', '1.0')
    const { mirror } = await mirrorOf(nodes, origin)
    const get = (name: string): Promise<Response> => fetch(`${mirror.url}/v2/team/app/manifests/${name}?ns=${registry}`)
    assert.equal((await get('1.0')).status, 200)
    await origin.close()
    // It was served a moment ago; by digest it still is.
    assert.deepEqual(await refusalOf(await get('1.0')), [502, 'UNAVAILABLE'])
    assert.deepEqual(await refusalOf(await get('2.0')), [502, 'UNAVAILABLE'])
    assert.equal(digestOf(await bytesOf(await get(image.manifest.digest))), image.manifest.digest)
  })

  test('P30: are as the digest says, whatever encodings are accepted', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const image = testImage({ seed: 10, layerSizes: [100_000] })
    image.addTo(origin, 'team/app', '1.0')
    const { mirror } = await mirrorOf(nodes, origin)
    for (const { digest, size, path } of [{ ...image.manifest, path: 'manifests' }, ...[image.config, ...image.layers].map((blob) => ({ ...blob, path: 'blobs' }))]) {
      for (const encodings of ['gzip, zstd', 'br;q=1, identity;q=0', '*']) {
        const { status, headers, body } = await ask(mirror.url, `/v2/team/app/${path}/${digest}`, { headers: `accept-encoding: ${encodings}\r\n` })
        assert.deepEqual([status, headers.get('content-length'), headers.get('content-encoding'), headers.get('transfer-encoding')], [200, String(size), undefined, undefined])
        assert.equal(digestOf(Buffer.from(body, 'latin1')), digest)
      }
    }
  })
})
