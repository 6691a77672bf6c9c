import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'vitest'
import { embeddedOrigin, type EmbeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'

const content = seededContent(1, 600_000)
const all = content.read({ offset: 0, length: content.sizeBytes })

async function bytesOf(answer: Response): Promise<Uint8Array> {
  return new Uint8Array(await answer.arrayBuffer())
}

describe('embeddedOrigin', () => {
  let origin: EmbeddedOrigin
  let blobUrl: string
  beforeEach(async () => {
    origin = await embeddedOrigin()
    blobUrl = `${origin.url}/v2/app/blobs/${origin.addBlob(content)}`
  })
  afterEach(() => origin.close())

  test('serves a blob whole, and counts its bytes', async () => {
    const answer = await fetch(blobUrl)
    assert.equal(answer.headers.get('docker-content-digest'), content.digest)
    assert.deepEqual(await bytesOf(answer), all)
    assert.equal(origin.bytesSent(content.digest), content.sizeBytes)
    assert.equal(origin.bytesSent(), content.sizeBytes)
  })

  test('serves a range', async () => {
    const answer = await fetch(blobUrl, { headers: { range: 'bytes=100000-499999' } })
    assert.equal(answer.status, 206)
    assert.equal(answer.headers.get('content-range'), 'bytes 100000-499999/600000')
    assert.deepEqual(await bytesOf(answer), all.subarray(100_000, 500_000))
    assert.equal(origin.bytesSent(), 400_000)
  })

  test('answers 416 to a range behind the end', async () => {
    const answer = await fetch(blobUrl, { headers: { range: 'bytes=600000-' } })
    assert.equal(answer.status, 416)
    assert.equal(answer.headers.get('content-range'), 'bytes */600000')
  })

  test('serves the whole when If-Range does not hold', async () => {
    const answer = await fetch(blobUrl, { headers: { range: 'bytes=5-', 'if-range': '"other"' } })
    assert.equal(answer.status, 200)
    await answer.body?.cancel()
  })

  test('a HEAD costs no bytes', async () => {
    const answer = await fetch(blobUrl, { method: 'HEAD' })
    assert.equal(answer.headers.get('content-length'), '600000')
    assert.equal(origin.bytesSent(), 0)
  })

  test('counts requests by what they ask for', async () => {
    origin.addManifest('app', 'latest', new TextEncoder().encode('{}'), 'application/json')
    await fetch(`${origin.url}/v2/app/manifests/latest`)
    await fetch(`${origin.url}/v2/app/manifests/missing`)
    await (await fetch(blobUrl)).arrayBuffer()
    assert.deepEqual(origin.requests(), { total: 3, manifests: 2, blobs: 1, tokens: 0 })
    assert.deepEqual(origin.seen().map(({ status }) => status), [200, 404, 200])
  })

  test('what it does not have is unknown, in the words of the specification', async () => {
    const answer = await fetch(`${origin.url}/v2/app/blobs/sha256:00`)
    assert.equal(answer.status, 404)
    assert.equal(((await answer.json()) as { errors: { code: string }[] }).errors[0]?.code, 'BLOB_UNKNOWN')
  })

  test('a fault lasts for as many requests as it says', async () => {
    origin.fault('/blobs/', { status: 503, headers: { 'retry-after': '5' }, times: 2 })
    const statuses = []
    for (let count = 0; count < 3; count++) {
      const answer = await fetch(blobUrl)
      statuses.push(answer.status)
      await answer.body?.cancel()
    }
    assert.deepEqual(statuses, [503, 503, 200])
  })

  test('a cut body breaks off, and only what was sent is counted', async () => {
    origin.fault(content.digest, { cutAfterBytes: 1000 })
    await assert.rejects(bytesOf(await fetch(blobUrl)))
    assert.equal(origin.bytesSent(), 1000)
  })

  test('wrong bytes have the right length', async () => {
    origin.fault(content.digest, { wrongBytes: true })
    assert.deepEqual(await bytesOf(await fetch(blobUrl)), all.map((byte) => byte ^ 0xff))
  })

  test('a taken-away fault does no harm', async () => {
    const end = origin.fault(/blobs/, { status: 500 })
    end()
    assert.equal((await fetch(blobUrl, { method: 'HEAD' })).status, 200)
  })
})

describe('embeddedOrigin with a password', () => {
  const user = { username: 'user', password: 'secret' }
  const basic = `Basic ${Buffer.from('user:secret').toString('base64')}`

  test('basic: asks for it, and takes no other', async () => {
    await using origin = await embeddedOrigin({ auth: { scheme: 'basic', ...user } })
    const blobUrl = `${origin.url}/v2/app/blobs/${origin.addBlob(content)}`
    const answer = await fetch(blobUrl)
    assert.equal(answer.status, 401)
    assert.equal(answer.headers.get('www-authenticate'), 'Basic realm="embedded"')
    assert.equal((await fetch(blobUrl, { method: 'HEAD', headers: { authorization: 'Basic eA==' } })).status, 401)
    assert.equal((await fetch(blobUrl, { method: 'HEAD', headers: { authorization: basic } })).status, 200)
  })

  async function tokenOf(answer: Response): Promise<string> {
    return ((await answer.json()) as { token: string }).token
  }

  test('bearer: tokens of the user open all, tokens of nobody what is public', async () => {
    await using origin = await embeddedOrigin({ auth: { scheme: 'bearer', ...user, publicRepositories: ['open'] } })
    origin.addBlob(content)
    const status = async (repository: string, token: string): Promise<number> => {
      const headers = { authorization: `Bearer ${token}` }
      return (await fetch(`${origin.url}/v2/${repository}/blobs/${content.digest}`, { method: 'HEAD', headers })).status
    }
    const full = await tokenOf(await fetch(`${origin.url}/token`, { headers: { authorization: basic } }))
    const nobody = await tokenOf(await fetch(`${origin.url}/token`))
    assert.equal(await status('app', full), 200)
    assert.equal(await status('app', nobody), 401)
    assert.equal(await status('open', nobody), 200)
    assert.equal(await status('open', 'invented'), 401)
  })

  test('bearer: an identity token is as good as the password', async () => {
    await using origin = await embeddedOrigin({ auth: { scheme: 'bearer', ...user, identityToken: 'id' } })
    const ask = (token: string): Promise<Response> =>
      fetch(`${origin.url}/token`, { method: 'POST', body: new URLSearchParams({ refresh_token: token }) })
    assert.equal((await ask('id')).status, 200)
    assert.equal((await ask('other')).status, 401)
    assert.equal(origin.requests().tokens, 2)
  })
})
