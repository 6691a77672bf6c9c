import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'vitest'
import { parseChallenges } from '../../src/oci/auth-challenge.ts'
import type { CredentialTarget, RegistryAuth } from '../../src/oci/credential.ts'
import { HostGates } from '../../src/oci/host-gates.ts'
import { HttpClient } from '../../src/oci/http-client.ts'
import { RegistryAuthorizer, type Authorization } from '../../src/oci/registry-authorizer.ts'
import type { RegistryOptions } from '../../src/oci/registry-settings.ts'
import type { RegistryClient } from '../../src/oci/registry-client.ts'
import { TokenSource } from '../../src/oci/token-source.ts'
import type { EmbeddedOrigin, EmbeddedOriginOptions } from '../../src/testing/embedded-origin.ts'
import type { OriginAuth } from '../../src/testing/origin-auth.ts'
import { testImage } from '../../src/testing/test-image.ts'
import { bytesOf, Harness } from './harness.ts'
import { serveHttp } from './servers.ts'

const image = testImage({ seed: 1, layerSizes: [300_000] })
const user = { username: 'user', password: 'canary-password' }
const bearer = (more: Partial<OriginAuth> = {}): EmbeddedOriginOptions => ({ auth: { scheme: 'bearer', ...user, ...more } })

let harness: Harness
beforeEach(() => {
  harness = new Harness()
})
afterEach(() => harness[Symbol.asyncDispose]())

async function start(
  options: EmbeddedOriginOptions,
  auth?: RegistryAuth,
  more: RegistryOptions = {},
): Promise<{ origin: EmbeddedOrigin; client: RegistryClient }> {
  const origin = await harness.origin(options)
  image.addTo(origin, 'app', 'v1')
  image.addTo(origin, 'open', 'v1')
  const client = harness.client([origin], { registries: { [origin.host]: { ...more, ...(auth && { auth }) } } })
  return { origin, client }
}

/** Which requests came with credentials, and which without. */
function seenAuth(origin: EmbeddedOrigin): string[] {
  return origin.seen().map(({ path, headers, status }) => {
    const scheme = headers['authorization']?.toString().split(' ')[0] ?? 'nobody'
    return `${path.split('?')[0]?.split('/').at(-2) || 'token'} ${scheme} ${status}`
  })
}

describe('a registry that wants a password', () => {
  const basic = { auth: { scheme: 'basic', ...user } } as const

  test('gets it after it has asked, and from then on at once', async () => {
    const { origin, client } = await start(basic, user)
    assert.equal((await client.manifest('app', 'v1')).usedCredentials, true)
    assert.equal((await client.manifest('app', 'v1')).usedCredentials, true)
    assert.deepEqual(seenAuth(origin), ['manifests nobody 401', 'manifests Basic 200', 'manifests Basic 200'])
  })

  test('does not get that of one repository for another before it has asked', async () => {
    const { origin, client } = await start({ auth: { ...basic.auth, publicRepositories: ['open'] } }, user)
    await client.manifest('app', 'v1')
    assert.equal((await client.manifest('open', 'v1')).usedCredentials, false)
    assert.equal(seenAuth(origin).at(-1), 'manifests nobody 200')
  })

  test('is left when there is none', async () => {
    const { client } = await start(basic)
    await assert.rejects(client.manifest('app', 'v1'), { code: 'ERR_ORIGIN_AUTH', status: 401 })
  })

  test('is left when it does not take the one there is', async () => {
    const { origin, client } = await start(basic, { username: 'user', password: 'wrong' })
    await assert.rejects(client.manifest('app', 'v1'), { code: 'ERR_ORIGIN_AUTH' })
    assert.ok(origin.requests().total <= 3)
  })

  test('gets no identity token', async () => {
    const { origin, client } = await start(basic, { identityToken: 'canary' })
    await assert.rejects(client.manifest('app', 'v1'), { code: 'ERR_ORIGIN_AUTH' })
    assert.deepEqual(seenAuth(origin), ['manifests nobody 401'])
  })
})

describe('a registry with tokens', () => {
  test('gives nobody a token for what is public, and that is no use of credentials', async () => {
    const { origin, client } = await start(bearer({ publicRepositories: ['open'] }))
    assert.equal((await client.manifest('open', 'v1')).usedCredentials, false)
    assert.deepEqual(seenAuth(origin), ['manifests nobody 401', 'token nobody 200', 'manifests Bearer 200'])
  })

  test('gives nobody a token that does not do, then the user one that does, which serves until it runs out', async () => {
    const { origin, client } = await start(bearer(), user)
    assert.equal((await client.manifest('app', 'v1')).usedCredentials, true)
    const body = await client.blob('app', image.config.digest)
    assert.equal(body.usedCredentials, true)
    await bytesOf(body)
    assert.deepEqual(seenAuth(origin), [
      'manifests nobody 401',
      'token nobody 200',
      'manifests Bearer 401',
      'token Basic 200',
      'manifests Bearer 200',
      'blobs Bearer 200',
    ])
  })

  test('has no use for the credentials of a user where it lets anybody in', async () => {
    const { origin, client } = await start(bearer({ publicRepositories: ['open'] }), user)
    assert.equal((await client.manifest('open', 'v1')).usedCredentials, false)
    assert.equal(seenAuth(origin).some((line) => line.includes('Basic')), false)
  })

  test('whose service gives nothing to nobody is asked as the user', async () => {
    const { origin, client } = await start(bearer(), user)
    origin.fault('/token', { status: 401, times: 1 })
    assert.equal((await client.manifest('app', 'v1')).usedCredentials, true)
    assert.deepEqual(seenAuth(origin), ['manifests nobody 401', 'token nobody 401', 'token Basic 200', 'manifests Bearer 200'])
  })

  for (const status of [403, 404, 429]) {
    test(`that answers ${status} to nobody is asked as the user`, async () => {
      const { origin, client } = await start(bearer(), user)
      origin.fault('/v2/', { status: 401, headers: { 'www-authenticate': `Bearer realm="${origin.url}/token"` }, times: 1 })
      origin.fault('/v2/', { status, headers: { 'retry-after': '60' }, times: 1 })
      assert.equal((await client.manifest('app', 'v1')).usedCredentials, true)
      assert.equal(origin.requests().total, 5)
    })
  }

  test('that answers 404 to the user as well has it not', async () => {
    const { client } = await start(bearer(), user)
    await assert.rejects(client.manifest('app', 'missing'), { code: 'ERR_ORIGIN_NOT_FOUND' })
  })

  test('gives a token for an identity token, by POST', async () => {
    const { origin, client } = await start(bearer({ identityToken: 'canary-identity' }), { identityToken: 'canary-identity' })
    assert.equal((await client.manifest('app', 'v1')).usedCredentials, true)
    const posts = origin.seen().filter(({ method }) => method === 'POST')
    assert.deepEqual(posts.map(({ path }) => path), ['/token'])
  })

  test('takes a registry token as it is', async () => {
    await using server = await serveHttp((request, response) => {
      const welcome = request.headers.authorization === 'Bearer canary'
      response.writeHead(welcome ? 200 : 401, { 'www-authenticate': 'Bearer realm="http://127.0.0.1/token"' }).end('{}')
    })
    const client = harness
      .registries([], { registries: { [server.host]: { insecure: true, auth: { registryToken: 'canary' } } } })
      .client(server.host)
    assert.equal((await client.manifest('app', 'v1')).usedCredentials, true)
  })

  test('is asked for one token by many requests at once', async () => {
    const { origin, client } = await start(bearer(), user)
    await Promise.all(Array.from({ length: 20 }, () => client.manifest('app', 'v1')))
    assert.equal(origin.requests().tokens, 2)
  })

  test('lets a late request in by the way that another one has found', async () => {
    const { origin, client } = await start(bearer(), user)
    origin.fault('/blobs/', { delayMs: 1000, times: 1 })
    const late = client.blob('app', image.config.digest).then(bytesOf)
    await harness.clock.reached(1000)
    await client.manifest('app', 'v1')
    harness.clock.advance(1000)
    await late
    assert.deepEqual(seenAuth(origin).filter((line) => line.startsWith('blobs')), ['blobs nobody 401', 'blobs Bearer 200'])
  })

  test('is asked for a new token before the old one runs out, without another challenge', async () => {
    const { origin, client } = await start(bearer({ expiresInSeconds: 300 }), user)
    await client.manifest('app', 'v1')
    harness.clock.advance(269_000)
    await client.manifest('app', 'v1')
    assert.equal(origin.requests().tokens, 2)
    harness.clock.advance(1000)
    await client.manifest('app', 'v1')
    assert.equal(origin.requests().tokens, 3)
    assert.equal(seenAuth(origin).filter((line) => line.endsWith('401')).length, 2)
  })

  for (const [said, lifeSeconds] of [
    ['0', 30],
    ['-1', 30],
    ['1e12', 3570],
    ['"soon"', 30],
    ['null', 30],
  ] as const) {
    test(`whose tokens are said to last ${said} s (O22) is asked again after ${lifeSeconds} s`, async () => {
      const { origin, client } = await start(bearer(), user)
      origin.fault('/token', { status: 200, body: `{"token":"x","expires_in":${said}}` })
      origin.fault('/v2/', { status: 401, headers: { 'www-authenticate': `Bearer realm="${origin.url}/token"` }, times: 1 })
      origin.fault('/v2/', { status: 200, body: '{}' })
      const tokens = (): number => origin.seen().filter(({ path }) => path.startsWith('/token')).length
      await client.manifest('app', 'v1')
      harness.clock.advance(lifeSeconds * 1000 - 1)
      await client.manifest('app', 'v1')
      assert.equal(tokens(), 1)
      harness.clock.advance(1)
      await client.manifest('app', 'v1')
      assert.equal(tokens(), 2)
    })
  }

  test('whose token runs out in the middle of a layer (O22) gives one more, and the layer goes on', async () => {
    const { origin, client } = await start(bearer({ expiresInSeconds: 60 }), user)
    const [layer] = image.layers
    assert.ok(layer)
    origin.fault(layer.digest, { status: 401, headers: { 'www-authenticate': `Bearer realm="${origin.url}/token"` }, times: 1 })
    origin.fault(layer.digest, { cutAfterBytes: 100_000, times: 1 })
    const { chunks } = await client.blob('app', layer.digest, { sizeBytes: layer.size })
    const parts: Uint8Array[] = []
    const reading = (async () => {
      for await (const chunk of chunks) {
        if (parts.push(chunk) === 1) harness.clock.advance(61_000)
      }
    })()
    await harness.clock.skipping(reading)
    assert.deepEqual(Buffer.concat(parts), Buffer.from(image.content(layer.digest)?.read({ offset: 0, length: layer.size }) ?? []))
    assert.equal(origin.requests().tokens, 2)
  })

  test('that refuses its own tokens for ever (O18) is left after two rounds', async () => {
    const { origin, client } = await start(bearer(), user)
    origin.fault('/v2/', { status: 401, headers: { 'www-authenticate': `Bearer realm="${origin.url}/token"` } })
    await assert.rejects(client.manifest('app', 'v1'), { code: 'ERR_ORIGIN_AUTH' })
    assert.equal(origin.requests().tokens, 2)
    assert.equal(origin.requests().total, 5)
  })

  test('that names a new realm each time (O18) is left after two rounds', async () => {
    const { origin, client } = await start(bearer(), user)
    for (let round = 0; round < 10; round++) {
      const challenge = `Bearer realm="${origin.url}/token?round=${round}"`
      origin.fault('/v2/', { status: 401, headers: { 'www-authenticate': challenge }, times: 1 })
    }
    await assert.rejects(client.manifest('app', 'v1'), { code: 'ERR_ORIGIN_AUTH' })
    assert.equal(origin.requests().tokens, 2)
  })

  for (const [what, body] of [
    ['a web page', '<html>log in here</html>'],
    ['ten MB', 'x'.repeat(10_000_000)],
    ['nothing', ''],
    ['a list', '[]'],
    ['no token', '{"expires_in":300}'],
    ['a token with a line feed', '{"token":"a\\nb: c"}'],
    ['a token that is a number', '{"token":7}'],
  ] as const) {
    test(`whose service answers with ${what} (O18) does not let us in`, async () => {
      const { origin, client } = await start(bearer(), user)
      origin.fault('/token', { status: 200, body })
      await assert.rejects(client.manifest('app', 'v1'), { code: 'ERR_ORIGIN_AUTH' })
    })
  }

  test('whose service has a bad moment is asked again', async () => {
    const { origin, client } = await start(bearer(), user)
    origin.fault('/token', { status: 503, times: 2 })
    assert.equal((await harness.clock.skipping(client.manifest('app', 'v1'))).usedCredentials, true)
  })

  test('whose service refuses the password is left', async () => {
    const { client } = await start(bearer(), { username: 'user', password: 'wrong' })
    await assert.rejects(client.manifest('app', 'v1'), { code: 'ERR_ORIGIN_AUTH' })
  })
})

describe('a realm (O17)', () => {
  function challengeWith(origin: EmbeddedOrigin, realm: string): void {
    origin.fault('/v2/', { status: 401, headers: { 'www-authenticate': `Bearer realm="${realm}",service="x"` } })
  }

  test('inside our network that is not the registry is not even asked', async () => {
    const elsewhere = await harness.origin({ auth: { scheme: 'bearer', ...user } })
    const { origin, client } = await start({}, user)
    challengeWith(origin, `${elsewhere.url}/token`)
    await assert.rejects(client.manifest('app', 'v1'), { code: 'ERR_ORIGIN_REALM' })
    assert.equal(elsewhere.requests().total, 0)
  })

  describe('of another host in public', () => {
    /** Loopback plays the public network. */
    async function answerer(elsewhere: EmbeddedOrigin): Promise<(rejected?: Authorization) => Promise<Authorization | undefined>> {
      const http = new HttpClient({ clock: harness.clock, scopeOf: () => 'public' })
      const authorizer = new RegistryAuthorizer({
        registry: 'reg.example',
        url: new URL('http://127.0.0.1:1'),
        insecure: true,
        trustedRealms: [],
        credentials: async () => user,
        tokens: new TokenSource(http, new HostGates(harness.clock)),
      })
      const challenges = parseChallenges(`Bearer realm="${elsewhere.url}/token"`)
      return (rejected) => authorizer.answer({ status: 401, challenges }, rejected, { repository: 'app' })
    }

    test('is asked for a token of nobody, and if that is not enough, the error says whom to trust', async () => {
      const elsewhere = await harness.origin({ auth: { scheme: 'bearer', ...user } })
      const answer = await answerer(elsewhere)
      const authorization = await answer()
      assert.ok(authorization)
      assert.equal(authorization.credential, undefined)
      await assert.rejects(answer(authorization), { code: 'ERR_ORIGIN_REALM', message: new RegExp(elsewhere.host) })
      assert.deepEqual(seenAuth(elsewhere), ['token nobody 200'])
    })

    test('that wants a password does not get it', async () => {
      const elsewhere = await harness.origin()
      elsewhere.fault('/token', { status: 401 })
      const answer = await answerer(elsewhere)
      await assert.rejects(answer(), { code: 'ERR_ORIGIN_REALM' })
      assert.deepEqual(seenAuth(elsewhere), ['token nobody 401'])
    })
  })

  test('of another host that is trusted gets the credentials', async () => {
    const elsewhere = await harness.origin({ auth: { scheme: 'bearer', ...user } })
    const { origin, client } = await start({}, user, { trustedRealms: [elsewhere.host] })
    origin.fault('/v2/', { status: 401, headers: { 'www-authenticate': `Bearer realm="${elsewhere.url}/token"` }, times: 2 })
    assert.equal((await client.manifest('app', 'v1')).usedCredentials, true)
    assert.deepEqual(seenAuth(elsewhere), ['token nobody 200', 'token Basic 200'])
  })

  for (const realm of ['http://169.254.169.254/token', 'ftp://127.0.0.1/token', '/token', 'https://[::1]/token', '']) {
    test(`${realm || 'that is empty'} is refused, and credentials go nowhere`, async () => {
      const { origin, client } = await start({}, user)
      challengeWith(origin, realm)
      await assert.rejects(client.manifest('app', 'v1'), { code: 'ERR_ORIGIN_REALM' })
      assert.deepEqual(seenAuth(origin), ['manifests nobody 401'])
    })
  }

  test('that redirects elsewhere does not take the credentials along', async () => {
    const elsewhere = await harness.origin()
    const { origin, client } = await start({}, user)
    challengeWith(origin, `${origin.url}/token`)
    origin.fault('/token', { redirectTo: `${elsewhere.url}/token` })
    await assert.rejects(client.manifest('app', 'v1'), { code: 'ERR_ORIGIN_AUTH' })
    assert.deepEqual(seenAuth(elsewhere), ['token nobody 404', 'token nobody 404'])
  })
})

describe('credentials of a provider', () => {
  test('are asked for after a challenge only, by registry and repository', async () => {
    const origin = await harness.origin(bearer({ publicRepositories: ['open'] }))
    image.addTo(origin, 'app', 'v1')
    const asked: CredentialTarget[] = []
    const credentials = async (target: CredentialTarget): Promise<RegistryAuth> => {
      asked.push(target)
      return user
    }
    const client = harness.client([origin], { credentials })
    origin.fault('/v2/', { status: 200, body: '{}', times: 1 })
    await client.manifest('app', 'v1')
    assert.deepEqual(asked, [])
    await client.manifest('app', 'v1')
    assert.deepEqual(asked, [{ registry: origin.host, repository: 'app' }])
  })

  test('a failure of the provider is what the caller sees', async () => {
    const origin = await harness.origin(bearer())
    const client = harness.client([origin], { credentials: () => Promise.reject(new RangeError('key ring on fire')) })
    await assert.rejects(client.manifest('app', 'v1'), RangeError)
    await assert.rejects(client.manifest('app', 'v1'), RangeError)
  })
})
