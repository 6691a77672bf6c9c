import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import type { RegistryAuth } from '../../src/oci/credential.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { testCertificate } from '../oci/certificate.ts'
import { FakeRegistry, type Visit } from './fake-registry.ts'
import { publicAddress, publicRegistry } from './public-registry.ts'
import { Pull } from './pull.ts'

const content = seededContent(61, 300_000)
const { digest } = content
const auth = { username: 'user', password: 'canary-password' }
const identity = { identityToken: 'canary-identity' }
const certificate = testCertificate('127.0.0.1')

/** Everything that was sent and must go to nobody but whom it is for. */
function sentCredentials(...servers: readonly FakeRegistry[]): string[] {
  return servers.flatMap(({ seen }) => seen.flatMap(({ path, headers }) => [headers.authorization ?? [], path.includes('canary') ? path : []].flat()))
}

function challenge(response: Visit['response'], value: string): void {
  response.writeHead(401, { 'www-authenticate': value }).end('{"errors":[{"code":"UNAUTHORIZED"}]}')
}

/** Lets in who has one of these tokens. */
function lets(tokens: ReadonlySet<string>, realm: string) {
  return ({ request, response, serve }: Visit): void => {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1]
    if (token !== undefined && tokens.has(token)) return serve()
    challenge(response, `Bearer realm="${realm}",service="test"`)
  }
}

describe('an origin that asks who we are', () => {
  for (const [what, credentials] of [
    ['a password', auth],
    ['an identity token', identity],
  ] as readonly [string, RegistryAuth][]) {
    test(`O17: over HTTPS, and wants ${what} over plain HTTP, gets nothing`, async () => {
      await using plain = await FakeRegistry.open()
      await using registry = await FakeRegistry.open({ certificate, address: '127.0.0.1' })
      registry.misbehave('/v2/', ({ response }) => challenge(response, `Bearer realm="${plain.url}/token"`))
      await using pull = await Pull.open([registry], [content], { settings: { insecure: false, ca: certificate.cert, auth: credentials } })
      await pull.fails(pull.layer(registry, content), 'ERR_ORIGIN_REALM')
      assert.equal(plain.connectionCount, 0)
      assert.deepEqual(sentCredentials(registry), [])
      await pull.innocent()
    })

    test(`O17: and wants ${what} for another host gets nothing, and that host is asked as nobody at most`, async () => {
      await using other = await FakeRegistry.open({ address: publicAddress })
      await using registry = await FakeRegistry.open({ address: publicAddress })
      other.misbehave('/token', ({ response }) => void response.end('{"token":"nobody"}'))
      registry.misbehave('/v2/', ({ response }) => challenge(response, `Bearer realm="http://auth.example:${other.host.split(':')[1]}/token"`))
      await using pull = await Pull.open([registry], [content])
      const { origin, close } = publicRegistry({ url: registry.url, clock: pull.clock, auth: credentials, names: { 'auth.example': () => [publicAddress] } })
      await pull.fails(pull.clock.skipping(pull.layerFrom(origin(content), content)), 'ERR_ORIGIN_REALM')
      assert.ok(other.seen.length > 0)
      assert.deepEqual(sentCredentials(other), [])
      assert.deepEqual(other.seen.filter(({ method }) => method !== 'GET'), [])
      assert.deepEqual(sentCredentials(registry).filter((sent) => sent !== 'Bearer nobody'), [])
      await close()
      await pull.innocent()
    })

    test(`O17: and wants ${what} for a host inside our network that nobody named does not get us to knock there`, async () => {
      await using inside = await FakeRegistry.open()
      await using registry = await FakeRegistry.open({ address: publicAddress })
      registry.misbehave('/v2/', ({ response }) => challenge(response, `Bearer realm="http://auth.example:${inside.host.split(':')[1]}/token"`))
      await using pull = await Pull.open([registry], [content])
      const { origin, close } = publicRegistry({ url: registry.url, clock: pull.clock, auth: credentials, names: { 'auth.example': () => ['127.0.0.1'] } })
      await pull.fails(pull.clock.skipping(pull.layerFrom(origin(content), content)), 'ERR_ORIGIN_REALM')
      assert.equal(inside.connectionCount, 0)
      assert.deepEqual(sentCredentials(registry), [])
      await close()
      await pull.innocent()
    })

    test(`O17: and whose own token service redirects gets no ${what} to where that leads`, async () => {
      await using evil = await FakeRegistry.open()
      await using registry = await FakeRegistry.open()
      evil.misbehave('/token', ({ response }) => void response.end('{"token":"evil"}'))
      registry.misbehave('/v2/', ({ response }) => challenge(response, `Bearer realm="${registry.url}/token"`))
      // Nobody gets in as nobody.
      registry.misbehave('/token', ({ request, response }) => {
        const anonymous = request.method === 'GET' && request.headers.authorization === undefined
        if (anonymous) return void response.writeHead(401).end()
        response.writeHead(307, { location: `${evil.url}/token` }).end()
      })
      await using pull = await Pull.open([registry], [content], { settings: { auth: credentials } })
      const error: unknown = await pull.layer(registry, content).then(() => assert.fail('it came to a good end'), (reason: unknown) => reason)
      assert.ok(error instanceof Error)
      assert.deepEqual(sentCredentials(evil), [])
      assert.deepEqual(evil.seen.filter(({ method }) => method !== 'GET'), [])
      await pull.innocent()
    })
  }

  for (const [what, realmOf] of [
    ['the same realm each time', () => 'token'],
    ['a new realm each time', (count: number) => `token?round=${count}`],
  ] as const) {
    test(`O18: for ever, with ${what}, is left after two rounds`, async () => {
      await using registry = await FakeRegistry.open()
      registry.misbehave('/v2/', ({ response, count }) => challenge(response, `Bearer realm="${registry.url}/${realmOf(count)}"`))
      registry.misbehave('/token', ({ response, count }) => void response.end(JSON.stringify({ token: `token-${count}` })))
      await using pull = await Pull.open([registry], [content], { settings: { auth } })
      await pull.fails(pull.layer(registry, content), 'ERR_ORIGIN_AUTH')
      assert.equal(registry.asked('/v2/').length, 3)
      await pull.innocent()
    })
  }

  for (const [what, answer] of [
    ['HTML', '<html><body>please log in</body></html>'],
    ['10 MB', ' '.repeat(10_000_000)],
    ['nothing', ''],
    ['no token', '{"expires_in":300}'],
    ['a token that is a list', '{"token":["a"]}'],
    ['a token with a line break', '{"token":"a\\r\\nx-evil: 1"}'],
    ['an empty token', '{"token":""}'],
  ] as const) {
    test(`O18: whose token service answers with ${what} lets nobody in`, async () => {
      await using registry = await FakeRegistry.open()
      registry.misbehave('/v2/', ({ response }) => challenge(response, `Bearer realm="${registry.url}/token"`))
      registry.misbehave('/token', ({ response }) => void response.end(answer))
      await using pull = await Pull.open([registry], [content], { settings: { auth } })
      await pull.fails(pull.layer(registry, content), 'ERR_ORIGIN_AUTH')
      assert.deepEqual(registry.asked('/v2/').flatMap(({ headers }) => headers.authorization ?? []), [])
      assert.equal(await pull.isStored(content), false)
      await pull.innocent()
    })
  }

  test('O22: whose token runs out in the middle of a layer is asked for one more', async () => {
    await using registry = await FakeRegistry.open()
    registry.addBlob(content)
    const tokens = new Set<string>()
    const admit = lets(tokens, `${registry.url}/token`)
    let cut = false
    registry.misbehave('/v2/', (visit) => {
      admit({
        ...visit,
        serve() {
          if (cut) return visit.serve()
          cut = true
          tokens.clear()
          visit.serveHalf()
        },
      })
    })
    registry.misbehave('/token', ({ response, count }) => {
      tokens.add(`token-${count}`)
      response.end(JSON.stringify({ token: `token-${count}`, expires_in: 60 }))
    })
    await using pull = await Pull.open([registry], [content], { settings: { auth } })
    await pull.exact(await pull.layer(registry, content), content)
    assert.equal(registry.asked('/token').length, 2)
    await pull.innocent()
  })

  for (const [what, expiresIn, lifeMs] of [
    ['no time', 0, 30_000],
    ['less than no time', -1, 30_000],
    ['ten to the twelfth seconds', 1e12, 3_570_000],
    ['text', '300', 30_000],
  ] as const) {
    test(`O22: whose tokens last ${what} gets them back after ${lifeMs / 1000} s`, async () => {
      await using registry = await FakeRegistry.open()
      registry.addBlob(content)
      const tokens = new Set<string>()
      registry.misbehave('/v2/', lets(tokens, `${registry.url}/token`))
      registry.misbehave('/token', ({ response, count }) => {
        tokens.add(`token-${count}`)
        response.end(JSON.stringify({ token: `token-${count}`, expires_in: expiresIn }))
      })
      await using pull = await Pull.open([registry], [content])
      const origin = pull.node.resolver.blobOrigin(`${registry.host}/team/app`, digest, content.sizeBytes)
      const read = async (): Promise<void> => pull.exactly((await origin.read(undefined)).chunks, content)
      await read()
      pull.clock.advance(lifeMs - 1)
      await read()
      assert.equal(registry.asked('/token').length, 1)
      pull.clock.advance(1)
      await read()
      assert.equal(registry.asked('/token').length, 2)
      await pull.exact(await pull.layer(registry, content), content)
      await pull.innocent()
    })
  }
})

