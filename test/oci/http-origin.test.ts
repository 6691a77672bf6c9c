import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'vitest'
import { httpOrigin } from '../../src/oci/http-origin.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { testCertificate } from './certificate.ts'
import { bytesOf, Harness } from './harness.ts'
import { ManualClock } from './manual-clock.ts'
import { serveHttp } from './servers.ts'

const content = seededContent(1, 500_000)
const whole = Buffer.from(content.read({ offset: 0, length: content.sizeBytes }))

let clock: ManualClock
beforeEach(() => {
  clock = new ManualClock()
})

/** A server of the content that does ranges. */
async function serveContent(): Promise<{ harness: Harness; url: string; server: Awaited<ReturnType<Harness['origin']>> }> {
  const harness = new Harness()
  const server = await harness.origin({ clock })
  return { harness, server, url: `${server.url}/v2/any/blobs/${server.addBlob(content)}` }
}

describe('httpOrigin', () => {
  test('reads the whole and any part', async () => {
    const { harness, url } = await serveContent()
    await using _ = harness
    const origin = httpOrigin(url, { clock })
    const body = await origin.read(undefined)
    assert.equal(body.sizeBytes, content.sizeBytes)
    assert.equal(body.usedCredentials, false)
    assert.deepEqual(await bytesOf(body), whole)
    const part = await origin.read({ offset: 100, length: 50 })
    assert.equal(part.sizeBytes, content.sizeBytes)
    assert.deepEqual(await bytesOf(part), whole.subarray(100, 150))
  })

  test('goes on where a body broke off', async () => {
    const { harness, server, url } = await serveContent()
    await using _ = harness
    server.fault(content.digest, { cutAfterBytes: 200_000, times: 2 })
    assert.deepEqual(await clock.skipping(bytesOf(httpOrigin(url, { clock }).read(undefined))), whole)
  })

  test('reads a server without ranges from the start', async () => {
    await using server = await serveHttp((_, response) => response.end(whole))
    assert.deepEqual(await bytesOf(httpOrigin(server.url, { clock }).read({ offset: 7, length: 9 })), whole.subarray(7, 16))
  })

  test('reads a server that does not tell a length', async () => {
    await using server = await serveHttp((_, response) => {
      response.write(whole.subarray(0, 1000))
      response.end(whole.subarray(1000))
    })
    const body = await httpOrigin(server.url, { clock }).read(undefined)
    assert.equal(body.sizeBytes, undefined)
    assert.deepEqual(await bytesOf(body), whole)
  })

  test('waits when it is told to', async () => {
    const { harness, server, url } = await serveContent()
    await using _ = harness
    server.fault(content.digest, { status: 429, headers: { 'retry-after': '9' }, times: 1 })
    const started = clock.monotonicMs()
    await clock.skipping(bytesOf(httpOrigin(url, { clock }).read({ offset: 0, length: 1 })))
    assert.ok(clock.monotonicMs() - started >= 9000)
  })

  test('waits on the clock of the registries whose queue it shares', async () => {
    const { harness, server, url } = await serveContent()
    await using _ = harness
    server.fault(content.digest, { status: 502, times: 1 })
    const registries = harness.registries([server], { clock })
    const started = clock.monotonicMs()
    assert.deepEqual(await clock.skipping(bytesOf(httpOrigin(url, { registries }).read(undefined))), whole)
    assert.ok(clock.monotonicMs() > started)
  })

  test('what is not there is not found', async () => {
    await using server = await serveHttp((_, response) => response.writeHead(404).end())
    await assert.rejects(httpOrigin(server.url, { clock }).read(undefined), { code: 'ERR_ORIGIN_NOT_FOUND' })
  })

  test('headers go to its host only, and what they bring counts as private', async () => {
    const seen: unknown[] = []
    await using elsewhere = await serveHttp((request, response) => {
      seen.push(request.headers)
      response.end('x')
    })
    await using server = await serveHttp((request, response) => {
      assert.equal(request.headers.authorization, 'Bearer canary')
      assert.equal(request.headers['x-key'], 'canary')
      response.writeHead(302, { location: elsewhere.url }).end()
    })
    const origin = httpOrigin(server.url, { clock, headers: { Authorization: 'Bearer canary', 'X-Key': 'canary' } })
    const body = await origin.read(undefined)
    assert.equal(body.usedCredentials, true)
    await bytesOf(body)
    assert.equal(JSON.stringify(seen).includes('canary'), false)
  })

  test('a query may be a key: it is not in the name, and what it brings counts as private', async () => {
    await using server = await serveHttp((_, response) => response.end('x'))
    const origin = httpOrigin(`${server.url}/blob?sig=canary`, { clock })
    assert.equal(origin.name, `${server.host}/blob`)
    const body = await origin.read(undefined)
    assert.equal(body.usedCredentials, true)
    await bytesOf(body)
  })

  test('a certificate is checked, unless told otherwise', async () => {
    const certificate = testCertificate('127.0.0.1')
    await using server = await serveHttp((_, response) => response.end('x'), { certificate })
    const read = (options: object): Promise<Buffer> => bytesOf(httpOrigin(server.url, { clock, ...options }).read(undefined))
    await assert.rejects(clock.skipping(read({})), { code: 'ERR_ORIGIN_UNAVAILABLE' })
    assert.equal(String(await read({ insecure: true })), 'x')
    assert.equal(String(await read({ ca: certificate.cert })), 'x')
  })

  for (const url of ['', 'example.com/file', 'ftp://example.com/file', 'file:///etc/passwd', 'https://user:canary@example.com/']) {
    test(`refuses ${JSON.stringify(url.replace('canary', '…'))}`, () => {
      assert.throws(() => httpOrigin(url), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'ERR_REQUEST_OPTION')
        assert.equal(error.message.includes('canary'), false)
        return true
      })
    })
  }

  test('aborting before it begins asks nobody', async () => {
    await using server = await serveHttp((_, response) => response.end('x'))
    const signal = AbortSignal.abort(new Error('enough'))
    await assert.rejects(httpOrigin(server.url, { clock }).read(undefined, { signal }), /enough/)
    assert.equal(server.connectionCount, 0)
  })
})
