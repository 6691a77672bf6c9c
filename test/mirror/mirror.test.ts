import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { embeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { testImage } from '../../src/testing/test-image.ts'
import { TestNodes } from '../support/nodes.ts'
import { mirrorOf, rawExchange, registry, statusOf } from './mirror-fixture.ts'

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
      const blob = await fetch(`${mirror.url}/v2/team/app/blobs/${digest}`, { headers: { 'accept-encoding': 'gzip, zstd' } })
      assert.deepEqual(
        [blob.status, blob.headers.get('content-length'), blob.headers.get('content-encoding'), blob.headers.get('content-type')],
        [200, String(size), null, 'application/octet-stream'],
      )
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

  test('gives parts of a blob', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(3, 3 * mib)
    origin.addBlob(content)
    const { mirror } = await mirrorOf(nodes, origin)
    const url = `${mirror.url}/v2/a/blobs/${content.digest}`
    const part = (range: string, headers = {}): Promise<Response> => fetch(url, { headers: { range, ...headers } })
    const all = Buffer.from(content.read({ offset: 0, length: content.sizeBytes }))
    const size = content.sizeBytes
    for (const [range, from, to] of [['bytes=0-0', 0, 1], ['bytes=-100', size - 100, size], [`bytes=${2 * mib}-`, 2 * mib, size], ['bytes=1000000-99999999999', 1_000_000, size]] as const) {
      const answer = await part(range)
      assert.deepEqual([answer.status, answer.headers.get('content-range')], [206, `bytes ${from}-${to - 1}/${size}`], range)
      assert.ok((await bytesOf(answer)).equals(all.subarray(from, to)), range)
    }
    for (const range of ['bytes=5-1', 'bytes=a-b', 'bytes=-']) {
      const answer = await part(range)
      assert.equal(answer.status, 200, range)
      assert.ok((await bytesOf(answer)).equals(all))
    }
    const beyond = await part(`bytes=${size}-`)
    assert.deepEqual([beyond.status, beyond.headers.get('content-range')], [416, `bytes */${size}`])
    const two = await part('bytes=0-9,2000000-2000009')
    assert.equal(two.status, 206)
    const text = (await bytesOf(two)).toString('latin1')
    assert.ok(text.includes(all.subarray(0, 10).toString('latin1')) && text.includes(all.subarray(2_000_000, 2_000_010).toString('latin1')))
    assert.equal(Number(two.headers.get('content-length')), text.length)
    assert.equal((await part('bytes=0-9', { 'if-range': '"other"' })).status, 200)
  })

  test('loads a blob once however many ask for it, or for parts of it', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(4, 8 * mib)
    origin.addBlob(content)
    const { mirror } = await mirrorOf(nodes, origin)
    const url = `${mirror.url}/v2/a/blobs/${content.digest}`
    const whole = Array.from({ length: 40 }, async () => digestOf(await bytesOf(await fetch(url))))
    const step = content.sizeBytes / 64
    const parts = Array.from({ length: 64 }, async (_, index) => {
      const answer = await fetch(url, { headers: { range: `bytes=${index * step}-${(index + 1) * step - 1}` } })
      return bytesOf(answer)
    })
    assert.deepEqual(new Set(await Promise.all(whole)), new Set([content.digest]))
    assert.equal(digestOf(Buffer.concat(await Promise.all(parts))), content.digest)
    assert.ok(origin.bytesSent(content.digest) <= 1.02 * content.sizeBytes)
  })

  test('goes on for others when clients leave half-way', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(6, 80 * mib)
    origin.addBlob(content)
    const { mirror } = await mirrorOf(nodes, origin)
    const url = `${mirror.url}/v2/a/blobs/${content.digest}`
    const leaving = Array.from({ length: 30 }, async () => {
      const gone = new AbortController()
      const answer = await fetch(url, { signal: gone.signal })
      for await (const chunk of answer.body ?? []) {
        assert.ok(chunk.byteLength > 0)
        gone.abort()
      }
    })
    const staying = fetch(url).then(bytesOf)
    const ended = await Promise.allSettled(leaving)
    assert.ok(ended.every(({ status }) => status === 'rejected'))
    assert.equal(digestOf(await staying), content.digest)
    assert.ok(origin.bytesSent(content.digest) <= 1.02 * content.sizeBytes)
  })

  test('answers beside five hundred sockets that say nothing', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const { mirror } = await mirrorOf(nodes, origin)
    const sockets = Array.from({ length: 500 }, () => connect(Number(new URL(mirror.url).port), '127.0.0.1'))
    for (const socket of sockets) socket.on('error', () => {})
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    assert.equal((await fetch(`${mirror.url}/v2/`)).status, 200)
    for (const socket of sockets) socket.destroy()
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

  test('passes on lists, and the next page of them', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const { mirror } = await mirrorOf(nodes, origin)
    assert.equal((await fetch(`${mirror.url}/v2/team/app/tags/list`)).status, 404)
  })
})

describe('requests that a mirror refuses', () => {
  test('are those that are not reads of the pull API', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const { mirror } = await mirrorOf(nodes, origin)
    const status = async (path: string, init: RequestInit = {}): Promise<number> => (await fetch(mirror.url + path, init)).status
    for (const method of ['PUT', 'POST', 'PATCH', 'DELETE']) assert.equal(await status('/v2/a/manifests/x', { method }), 405, method)
    assert.equal(await status('/v2/a/blobs/uploads/', { method: 'POST' }), 405)
    assert.equal(await status('/elsewhere'), 404)
    assert.equal(await status('/v2/a/manifests/x?ns=169.254.169.254'), 404)
    assert.equal(await status('/v2/localhost:22/a/manifests/x'), 404)
    assert.equal(await status('/v2/', { method: 'OPTIONS', headers: { origin: 'https://evil.example', 'access-control-request-method': 'GET' } }), 403)
    const cors = await fetch(`${mirror.url}/v2/`, { headers: { origin: 'https://evil.example' } })
    assert.deepEqual([cors.status, cors.headers.get('access-control-allow-origin')], [403, null])
    const body = (await (await fetch(`${mirror.url}/v2/A/manifests/x`)).json()) as { errors: { code: string }[] }
    assert.equal(body.errors[0]?.code, 'NAME_INVALID')
    assert.equal(origin.requests().total, 0)
  })

  test('may be no HTTP at all', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const { mirror } = await mirrorOf(nodes, origin)
    const host = 'host: 127.0.0.1\r\n'
    const table: [name: string, bytes: string, status: number][] = [
      ['CONNECT', 'CONNECT evil.example:443 HTTP/1.1\r\nhost: evil.example:443\r\n\r\n', 405],
      ['TRACE', `TRACE /v2/ HTTP/1.1\r\n${host}connection: close\r\n\r\n`, 405],
      ['another host', 'GET /v2/ HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n', 421],
      ['two hosts', `GET /v2/ HTTP/1.1\r\n${host}${host}connection: close\r\n\r\n`, 400],
      ['no host', 'GET /v2/ HTTP/1.1\r\nconnection: close\r\n\r\n', 400],
      ['an absolute target', `GET http://evil.example/v2/ HTTP/1.1\r\n${host}connection: close\r\n\r\n`, 400],
      ['headers of 100 KiB', `GET /v2/ HTTP/1.1\r\n${host}x: ${'a'.repeat(100 * 1024)}\r\n\r\n`, 431],
      ['2,000 headers', `GET /v2/ HTTP/1.1\r\n${host}${'a: b\r\n'.repeat(2000)}connection: close\r\n\r\n`, 431],
      ['a target of 64 KiB', `GET /v2/${'a'.repeat(64 * 1024)} HTTP/1.1\r\n${host}\r\n`, 431],
      ['two lengths', `GET /v2/ HTTP/1.1\r\n${host}content-length: 5\r\ncontent-length: 6\r\n\r\n`, 400],
      ['a length and chunks', `GET /v2/ HTTP/1.1\r\n${host}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n`, 400],
      ['another coding', `GET /v2/ HTTP/1.1\r\n${host}transfer-encoding: xchunked\r\n\r\n`, 400],
      ['an expectation', `GET /v2/ HTTP/1.1\r\n${host}expect: 100-continue\r\nconnection: close\r\n\r\n`, 417],
      ['a NUL', `GET /v2/a\0b/manifests/x HTTP/1.1\r\n${host}\r\n`, 400],
      ['an upgrade', `GET /v2/ HTTP/1.1\r\n${host}connection: upgrade, close\r\nupgrade: websocket\r\n\r\n`, 200],
      ['HTTP/1.0', 'GET /v2/ HTTP/1.0\r\n\r\n', 200],
    ]
    for (const [name, bytes, status] of table) assert.equal(statusOf(await rawExchange(mirror.url, bytes)), status, name)
  })

  test('leave the connection in order for the next one', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const { mirror } = await mirrorOf(nodes, origin)
    const ask = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`
    const answer = await rawExchange(mirror.url, ask('/v2/A/manifests/x') + ask('/v2/') + ask('/elsewhere') + ask('/v2/'), (text) => text.split('HTTP/1.1 ').length > 4 && text.endsWith('{}'))
    assert.deepEqual(answer.match(/HTTP\/1\.1 \d{3}/g), ['HTTP/1.1 400', 'HTTP/1.1 200', 'HTTP/1.1 404', 'HTTP/1.1 200'])
  })

  test('with a body keep the connection only if it is short', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const { mirror } = await mirrorOf(nodes, origin)
    const size = 10 * mib
    const answer = await rawExchange(mirror.url, `GET /v2/ HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: ${size}\r\n\r\n${'x'.repeat(size)}`)
    // The connection is reset under who goes on sending, which may cost it the answer.
    assert.ok(answer === '' || statusOf(answer) === 200)
    assert.equal(statusOf(await rawExchange(mirror.url, 'GET /v2/ HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 5\r\n\r\nhello', (text) => text.endsWith('{}'))), 200)
  })
})
