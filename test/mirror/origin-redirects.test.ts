import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { contentOf } from '../../src/testing/seeded-content.ts'
import { testImage } from '../../src/testing/test-image.ts'
import { testCertificate } from '../oci/certificate.ts'
import { FakeRegistry } from '../origin/fake-registry.ts'
import { contentsOf } from '../origin/pull.ts'
import { OriginClient, type OriginClientOptions } from './origin-client.ts'

// Of O15, names and addresses that lead from the public network inside are rows of test/origin/redirects.test.ts: no registry here can be public.

const image = testImage({ seed: 85, layerSizes: [300_000] })
const manifest = contentOf(image.manifestBytes)
const [, content = assert.fail()] = contentsOf(image)
const { digest } = content
const secret = { username: 'user', password: 'canary-password' }
const basic = `Basic ${Buffer.from(`${secret.username}:${secret.password}`).toString('base64')}`
const certificate = testCertificate('127.0.0.1')

/** Whose credentials a registry gets: the mirror's own, or those that the client sends along; and what a client hears whom it does not let in. */
const ways: readonly { way: string; options: OriginClientOptions; headers: Record<string, string>; refusal: readonly [status: number, code: string] }[] = [
  { way: 'the mirror has credentials', options: { settings: { auth: secret } }, headers: {}, refusal: [404, 'MANIFEST_UNKNOWN'] },
  { way: 'it shows its own credentials', options: { auth: 'passthrough' }, headers: { authorization: basic }, refusal: [401, 'UNAUTHORIZED'] },
]

function credentialsSeen(...servers: readonly FakeRegistry[]): string[] {
  return servers.flatMap(({ seen }) => seen.flatMap(({ path, headers }) => [headers.authorization ?? [], path.includes('canary') ? path : []].flat()))
}

/** The mirror does not go to such a door; a client whose own credentials are asked for is shown it, as the registry would show it. */
async function refusedFor(client: OriginClient, answer: Response, { auth }: OriginClientOptions, challenge: string): Promise<void> {
  if (auth !== 'passthrough') return client.failed(answer, 'ERR_ORIGIN_REALM')
  await client.refused(answer, 401, 'UNAUTHORIZED')
  assert.equal(answer.headers.get('www-authenticate'), challenge)
}

describe('a client of a mirror whose registry redirects', () => {
  for (const { way, options, headers, refusal } of ways) {
    test(`O13: to a host for content: gets all of the image, and that host learns of nobody, when ${way}`, async () => {
      await using cdn = await FakeRegistry.open()
      await using registry = await FakeRegistry.open()
      cdn.addImage(image, 'v1')
      registry.misbehave('/v2/', ({ request, response }) => {
        if (request.headers.authorization !== basic) return void response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
        response.writeHead(307, { location: `${cdn.url}${request.url}?signature=of-the-registry` }).end()
      })
      await using client = await OriginClient.open(registry, options)
      await client.whole(await client.get('manifests/v1', headers), manifest)
      await client.whole(await client.blob(content, headers), content)
      assert.ok(credentialsSeen(registry).includes(basic))
      assert.ok(cdn.asked('/blobs/').length > 0 && cdn.asked('/manifests/').length > 0)
      const known = new Set(['host', 'connection', 'user-agent', 'accept', 'accept-encoding', 'range', 'if-range'])
      assert.deepEqual(cdn.seen.flatMap(({ headers }) => Object.keys(headers).filter((name) => !known.has(name))), [])
    })

    test(`O13: to a host that asks for credentials: gets no image, and that host none, when ${way}`, async () => {
      await using cdn = await FakeRegistry.open()
      await using registry = await FakeRegistry.open()
      registry.misbehave('/v2/', ({ request, response }) => void response.writeHead(307, { location: `${cdn.url}${request.url}` }).end())
      for (const challenge of ['Basic realm="cdn"', `Bearer realm="${cdn.url}/token",service="cdn"`]) {
        cdn.misbehave('/v2/', ({ response }) => void response.writeHead(401, { 'www-authenticate': challenge }).end())
        await using client = await OriginClient.open(registry, options)
        const answer = await client.get('manifests/v1', headers)
        await client.refused(answer, ...refusal)
        assert.equal(answer.headers.get('www-authenticate')?.includes('cdn') ?? false, false)
      }
      assert.deepEqual(credentialsSeen(cdn, registry), [])
    })
  }

  for (const [what, location] of [
    ['O14: in a circle', ''],
    ['O14: to a file', 'file:///etc/passwd'],
    ['O14: to an address with a password in it', 'http://user:canary-password@127.0.0.1/'],
    ...['169.254.169.254', '[fd00:ec2::254]', '0xa9fea9fe', '[::ffff:169.254.169.254]'].map((host) => [`O15: to ${host}`, `http://${host}/latest/meta-data/`] as const),
  ] as const) {
    test(`${what}: gets 502 for a tag and for a blob`, async () => {
      await using registry = await FakeRegistry.open()
      await using client = await OriginClient.withManifest(registry, image)
      registry.misbehave('/v2/', ({ response }) => void response.writeHead(302, { location }).end())
      for (const path of ['manifests/v1', `blobs/${digest}`]) {
        const answer = await client.get(path)
        assert.equal(answer.headers.get('location'), null)
        await client.failed(answer, 'ERR_ORIGIN_REDIRECT')
      }
      assert.equal(await client.isStored(content), false)
    })
  }

  test('O14: six times gets 502, five times the image', async () => {
    await using registry = await FakeRegistry.open()
    registry.addImage(image, 'v1')
    await using client = await OriginClient.open(registry)
    for (const hops of [6, 5]) {
      registry.misbehave('/v2/', ({ request, response, serve }) => {
        const hop = Number(new URL(request.url ?? '', 'http://x').searchParams.get('hop') ?? 0)
        if (hop >= hops) return serve()
        response.writeHead(302, { location: `?hop=${hop + 1}` }).end()
      })
      const answer = await client.get('manifests/v1')
      if (hops > 5) await client.failed(answer, 'ERR_ORIGIN_REDIRECT')
      else await client.whole(answer, manifest)
    }
  })

  test('O14: from HTTPS to plain HTTP: gets 502', async () => {
    await using plain = await FakeRegistry.open()
    await using registry = await FakeRegistry.open({ certificate, address: '127.0.0.1' })
    plain.addImage(image, 'v1')
    registry.misbehave('/v2/', ({ request, response }) => void response.writeHead(302, { location: `${plain.url}${request.url}` }).end())
    await using client = await OriginClient.open(registry, { settings: { insecure: false, ca: certificate.cert } })
    for (const path of ['manifests/v1', `blobs/${digest}`]) await client.failed(await client.get(path), 'ERR_ORIGIN_REDIRECT')
    assert.equal(plain.connectionCount, 0)
  })
})

describe('a client of a mirror whose registry wants to know who asks', () => {
  for (const { way, options, headers, refusal } of ways) {
    test(`O17: at the door of another host: gets no image, and that host no knock, when ${way}`, async () => {
      await using evil = await FakeRegistry.open({ address: '127.0.0.2' })
      await using registry = await FakeRegistry.open()
      registry.misbehave('/v2/', ({ response }) => void response.writeHead(401, { 'www-authenticate': `Bearer realm="${evil.url}/token",service="x"` }).end())
      await using client = await OriginClient.open(registry, options)
      await refusedFor(client, await client.get('manifests/v1', headers), options, `Bearer realm="${evil.url}/token",service="x"`)
      assert.equal(evil.connectionCount, 0)
      assert.deepEqual(credentialsSeen(registry), [])
    })

    test(`O17: over plain HTTP though it has HTTPS: gets no image, and nobody the credentials, when ${way}`, async () => {
      await using plain = await FakeRegistry.open()
      await using registry = await FakeRegistry.open({ certificate, address: '127.0.0.1' })
      registry.misbehave('/v2/', ({ response }) => void response.writeHead(401, { 'www-authenticate': `Bearer realm="${plain.url}/token"` }).end())
      await using client = await OriginClient.open(registry, { ...options, settings: { ...options.settings, insecure: false, ca: certificate.cert } })
      await refusedFor(client, await client.get('manifests/v1', headers), options, `Bearer realm="${plain.url}/token"`)
      assert.equal(plain.connectionCount, 0)
      assert.deepEqual(credentialsSeen(registry), [])
    })

    for (const [what, body] of [
      ['that are never good enough', '{"token":"never"}'],
      ['of HTML', '<html><body>please log in</body></html>'],
      ['of 10 MB', ' '.repeat(10_000_000)],
      ['of nothing', ''],
      ['with a line break', '{"token":"a\\r\\nx-evil: 1"}'],
    ] as const) {
      test(`O18: and gives tokens ${what}: is refused when ${way}`, async () => {
        await using registry = await FakeRegistry.open()
        const challenge = `Bearer realm="${registry.url}/token",service="x"`
        registry.misbehave('/v2/', ({ response }) => void response.writeHead(401, { 'www-authenticate': challenge }).end())
        registry.misbehave('/token', ({ response }) => void response.end(body))
        await using client = await OriginClient.open(registry, options)
        const answer = await client.get('manifests/v1', headers)
        assert.equal(answer.headers.get('www-authenticate'), options.auth ? challenge : null)
        await client.refused(answer, ...refusal)
        assert.ok(registry.asked('/v2/').length <= 4)
      })
    }

    for (const expiresIn of [60, 0, -1, 1e12, 'soon']) {
      test(`O22: and gives tokens for ${expiresIn} s that run out in the middle of a layer: gets it whole when ${way}`, async () => {
        await using registry = await FakeRegistry.open()
        registry.addImage(image, 'v1')
        const tokens = new Set<string>()
        let cut = false
        registry.misbehave('/v2/', ({ request, response, serve, serveHalf }) => {
          if (!tokens.has(request.headers.authorization ?? '')) return void response.writeHead(401, { 'www-authenticate': `Bearer realm="${registry.url}/token"` }).end()
          if (cut || !request.url?.includes(digest) || request.headers.range === 'bytes=0-0') return serve()
          cut = true
          tokens.clear()
          serveHalf()
        })
        registry.misbehave('/token', ({ response, count }) => {
          tokens.add(`Bearer token-${count}`)
          response.end(JSON.stringify({ token: `token-${count}`, expires_in: expiresIn }))
        })
        await using client = await OriginClient.open(registry, options)
        await client.whole(await client.get('manifests/v1', headers), manifest)
        await client.whole(await client.blob(content, headers), content)
        assert.ok(cut)
      })
    }
  }
})
