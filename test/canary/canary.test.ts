import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'vitest'
import type { Logger } from '../../src/core/log.ts'
import { parseReference } from '../../src/core/reference.ts'
import { dht } from '../../src/discovery/dht-discovery.ts'
import { peers } from '../../src/discovery/static-discovery.ts'
import type { Metrics } from '../../src/metrics/metrics.ts'
import { grantIssuer, issueGrant, newGrantKey } from '../../src/net/grants.ts'
import { parseNetworkKey } from '../../src/net/network-key.ts'
import type { RegistryAuth } from '../../src/oci/credential.ts'
import { httpOrigin } from '../../src/oci/http-origin.ts'
import { ManifestResolver } from '../../src/oci/manifest-resolver.ts'
import { createSwarm } from '../../src/swarm/create-swarm.ts'
import type { Swarm } from '../../src/swarm/swarm.ts'
import { testImage } from '../../src/testing/test-image.ts'
import { runCli } from '../cli/run-cli.ts'
import { FakeRegistry, wrongContent, type Visit } from '../origin/fake-registry.ts'
import { contentsOf } from '../origin/pull.ts'
import { eventOf, TestNodes } from '../support/nodes.ts'
import { Canaries, recordStreams, visible } from './canaries.ts'

const image = testImage({ seed: 81, layerSizes: [2000, 1_500_000] })
const layer = image.layers[1] ?? image.config
const layerContent = contentsOf(image).find(({ digest }) => digest === layer.digest)
const eventNames = ['peer:linked', 'peer:unlinked', 'peer:banned', 'piece:stored', 'blob:stored', 'sharing:withheld'] as const

let canaries: Canaries
let folder: string
beforeEach(async () => {
  canaries = new Canaries()
  folder = await mkdtemp(join(tmpdir(), 'damselfly-canary-'))
})
afterEach(() => rm(folder, { recursive: true }))

/** A registry that lets in who shows credentials, and says back what it was shown in every word that it has. */
async function gatedRegistry(token: string): Promise<FakeRegistry> {
  const registry = await FakeRegistry.open()
  registry.addImage(image, 'v1')
  registry.misbehave('/v2/', (visit) => {
    const { authorization } = visit.request.headers
    if (authorization === `Bearer ${token}` || authorization?.startsWith('Basic ')) return visit.serve()
    const realm = `${registry.url}/token`
    visit.response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}",service="x"` }).end(echo(visit))
  })
  registry.misbehave('/token', ({ request, response }) => {
    if (request.method === 'GET' && request.headers.authorization === undefined) return void response.writeHead(401).end()
    response.end(JSON.stringify({ token, refresh_token: token, expires_in: 3600 }))
  })
  return registry
}

function echo({ request }: Visit): string {
  const { authorization = '' } = request.headers
  const decoded = Buffer.from(authorization.replace('Basic ', ''), 'base64').toString()
  return JSON.stringify({ errors: [{ code: 'DENIED', message: `you said ${authorization}, that is ${decoded.split(':').at(-1)}` }] })
}

/** How a registry that knows us turns against us. */
const turns: [what: string, turn: (registry: FakeRegistry) => void][] = [
  ['goes on well', () => {}],
  ['denies', (registry) => registry.misbehave('/v2/', (visit) => void visit.response.writeHead(403).end(echo(visit)))],
  ['refuses for ever', (registry) => registry.misbehave('/v2/', (visit) => void visit.response.writeHead(401, { 'www-authenticate': `Bearer realm="${registry.url}/token?again"` }).end(echo(visit)))],
  ['has a realm elsewhere', (registry) => registry.misbehave('/v2/', (visit) => void visit.response.writeHead(401, { 'www-authenticate': 'Bearer realm="http://127.0.0.2:1/token"' }).end(echo(visit)))],
  ['redirects to nowhere', (registry) => registry.misbehave('/v2/', ({ request, response }) => void response.writeHead(307, { location: `https://${request.headers.authorization?.split(' ')[1]}@127.0.0.1:1/` }).end())],
  ['redirects to the metadata service', (registry) => registry.misbehave('/v2/', ({ request, response }) => void response.writeHead(307, { location: `http://169.254.169.254/?${request.headers.authorization?.split(' ')[1]}` }).end())],
  ['redirects to a server with no certificate to show', (registry) => registry.misbehave('/v2/', ({ response }) => void response.writeHead(307, { location: `https://${registry.host}/` }).end())],
  ['talks no HTTP', (registry) => registry.misbehave('/v2/', ({ request, response }) => void response.socket?.end(`HTTP/1.1 200 OK\r\n: ${request.headers.authorization}\r\n\r\n`))],
  ['sends wrong bytes', (registry) => registry.misbehave('/blobs/', ({ content, serve }) => serve(content && wrongContent(content)))],
  ['breaks off', (registry) => registry.misbehave('/blobs/', ({ serveHalf }) => serveHalf())],
  ['sends a manifest of what it was shown', (registry) => registry.misbehave('/manifests/', (visit) => void visit.response.end(echo(visit)))],
]

/** Two nodes of a closed network, with ears everywhere. */
class WatchedPair implements AsyncDisposable {
  readonly heard: string[] = []
  readonly nodes = new TestNodes()
  readonly key: Uint8Array

  constructor(key: Uint8Array) {
    this.key = key
  }

  note(...parts: readonly unknown[]): void {
    this.heard.push(...parts.map(visible))
  }

  async start(others: readonly Swarm[], resolver: ManifestResolver | undefined, identityFile: string): Promise<Swarm> {
    const note = (...parts: unknown[]): void => this.note(...parts)
    const logger: Logger = { debug: note, info: note, warn: note }
    const metrics: Metrics = { add: note, set: note }
    const addresses = others.flatMap((other) => other.addresses)
    const swarm = await this.nodes.start([], {
      network: { key: this.key },
      discovery: [dht(), ...(addresses.length > 0 ? [peers(addresses)] : [])],
      identityFile,
      logger,
      metrics,
      ...(resolver && { resolver }),
    })
    for (const name of eventNames) swarm.addEventListener(name, (event: Event) => note(event, 'detail' in event ? event.detail : undefined))
    return swarm
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.nodes[Symbol.asyncDispose]()
  }
}

/** Writes an identity file; its seed is a canary. */
async function identityFile(name: string): Promise<string> {
  const seed = canaries.bytes(`identity of ${name}`, randomBytes(32))
  canaries.bytes(`digits of the identity of ${name}`, Buffer.from(seed.toString('hex')))
  const path = join(folder, name)
  await writeFile(path, `${seed.toString('hex')}\n`, { mode: 0o600 })
  return path
}

describe('a canary in every place where a secret is kept', () => {
  const kinds: [kind: string, authOf: () => RegistryAuth][] = [
    ['password', () => ({ username: canaries.text('username'), password: canaries.text('password') })],
    ['identity token', () => ({ identityToken: canaries.text('identity token') })],
    ['registry token', () => ({ registryToken: canaries.text('token of the service') })],
  ]
  for (const [kind, authOf] of kinds) {
    test(`(${kind}) is in no log, event, figure, error and no byte that peers get, whatever becomes of a pull`, async () => {
      const auth = authOf()
      const token = 'registryToken' in auth ? auth.registryToken : canaries.text('token of the service')
      if ('username' in auth) canaries.bytes('pair', Buffer.from(`${auth.username}:${auth.password}`))
      const key = canaries.bytes('network key', randomBytes(32))
      canaries.bytes('digits of the network key', Buffer.from(key.toString('hex')))
      const record = recordStreams()
      const seenFailures: string[] = []
      try {
        for (const [what, turn] of turns) {
          await using registry = await gatedRegistry(token)
          await using pair = new WatchedPair(key)
          await using resolver = new ManifestResolver({
            registries: { [registry.host]: { insecure: true, auth } },
            logger: { debug: (...parts) => pair.note(...parts), info: (...parts) => pair.note(...parts), warn: (...parts) => pair.note(...parts) },
          })
          const first = await pair.start([], resolver, await identityFile(`first-${seenFailures.length}`))
          const second = await pair.start([first], undefined, await identityFile(`second-${seenFailures.length}`))
          if (first.stats().links.length === 0) await eventOf(first, 'peer:linked')
          // Let in once, so that tokens and headers are held when it goes wrong.
          await first.resolve(`${registry.host}/team/app:v1`, { platform: 'linux/amd64' })
          turn(registry)
          const origin = first.resolver.blobOrigin(`${registry.host}/team/app`, layer.digest, layer.size)
          const failures: unknown[] = []
          const attempt = async (pull: Promise<unknown>): Promise<void> => void (await pull.catch((error: unknown) => failures.push(error)))
          await attempt(first.resolve(`${registry.host}/team/app:v1`, { platform: 'linux/amd64' }))
          await attempt((async () => {
            for await (const chunk of (await origin.read(undefined)).chunks) assert.ok(chunk.byteLength > 0)
          })())
          if (what === 'goes on well') {
            const pulled = await first.fetchImage(`${registry.host}/team/app:v1`, { platform: 'linux/amd64', onProgress: (progress) => pair.note(progress) })
            pair.note(pulled.stats, pulled.layers)
            await second.fetchLayer({ digest: layer.digest, size: layer.size })
          } else if (failures.length > 0) {
            seenFailures.push(what)
          }
          pair.note(...failures, first, second, resolver, origin)
          for (const node of [first, second]) pair.note(node.stats(), ...contentsOf(image).map(({ digest }) => node.explain(digest)), node.explain(image.manifest.digest))
          canaries.absentFrom(`what was said when the registry ${what}`, pair.heard.join('\n'))
        }
      } finally {
        record.stop()
      }
      canaries.absentFrom('what peers were sent', record.bytes)
      assert.ok(record.bytes.byteLength > layer.size, 'the layer went from node to node')
      assert.ok([...record.protocols].some((name) => name.includes('kad')), `a DHT was spoken: ${[...record.protocols].join()}`)
      assert.ok(seenFailures.length >= turns.length - 2, seenFailures.join())
    })
  }

  test('is in no error about options that cannot be used', async () => {
    const key = canaries.bytes('network key', randomBytes(32))
    const hex = key.toString('hex')
    canaries.bytes('digits of the network key', Buffer.from(hex))
    const { key: pem } = newGrantKey()
    canaries.bytes('grant key', Buffer.from(pem.replace(/-----.*-----|\n/g, '').slice(-40)))
    const secret = canaries.text('address')
    const attempts: (() => unknown)[] = [
      () => parseNetworkKey(`${hex}00`),
      () => parseNetworkKey(key.subarray(1)),
      () => createSwarm({ network: { key: hex.slice(1) } }),
      () => issueGrant({ key: pem.replace('PRIVATE', 'PRIVAT'), peerId: 'x', match: 'registry.example/**' }),
      () => issueGrant({ key: pem, peerId: 'x', match: 'registry.example/**' }),
      () => grantIssuer(pem.slice(0, -60)),
      () => new ManifestResolver({ registries: { 'registry.example': { url: `https://user:${secret}@registry.example` } } }),
      () => new ManifestResolver({ registries: { 'registry.example': { mirrors: [`https://user:${secret}@mirror.example`] } } }),
      () => new ManifestResolver({ registries: { 'registry.example': { trustedRealms: [`user:${secret}@auth.example`] } } }),
      () => new ManifestResolver({ registries: { [`user:${secret}@registry.example`]: {} } }),
      () => httpOrigin(`https://user:${secret}@files.example/blob`),
      () => httpOrigin(`ftp://user:${secret}@files.example/blob`),
      () => parseReference(`user:${secret}@registry.example/team/app:v1`),
      () => parseReference(`https://user:${secret}@registry.example/team/app:v1`),
    ]
    for (const attempt of attempts) {
      const error: unknown = await Promise.resolve().then(attempt).then(() => assert.fail(`${String(attempt)} came to a good end`), (reason: unknown) => reason)
      canaries.absentFrom(String(attempt), visible(error))
    }
  })

  test('is in nothing that a web origin says, be it header, query or key of its own', async () => {
    const [authorization, apiKey, signature] = [canaries.text('authorization'), canaries.text('header'), canaries.text('query')]
    await using registry = await FakeRegistry.open()
    for (const misbehave of [
      (visit: Visit) => void visit.response.writeHead(403).end(JSON.stringify({ errors: [{ code: 'DENIED', message: `${String(visit.request.headers['x-api-key'])} ${visit.request.headers.authorization}` }] })),
      (visit: Visit) => void visit.response.writeHead(307, { location: `http://169.254.169.254${visit.request.url}` }).end(),
      (visit: Visit) => void visit.response.writeHead(200, { 'content-encoding': 'gzip' }).end(),
      (visit: Visit) => visit.serveHalf(layerContent),
    ]) {
      registry.misbehave('/blob', misbehave)
      const origin = httpOrigin(`${registry.url}/blob?signature=${signature}`, { headers: { Authorization: `Bearer ${authorization}`, 'X-Api-Key': apiKey } })
      const error: unknown = await (async () => {
        for await (const chunk of (await origin.read(undefined)).chunks) assert.ok(chunk.byteLength > 0)
      })().catch((reason: unknown) => reason)
      canaries.absentFrom('an error of a web origin', visible([error, origin]))
    }
  })

  test('is in nothing that the command line prints, with all words and as JSON', async () => {
    const credentials = { auths: canaries.text('password of a login'), helper: canaries.text('password of a helper') }
    await using plain = await gatedRegistry('unused')
    await using helped = await gatedRegistry('unused')
    const config = {
      auths: { [plain.host]: { auth: Buffer.from(`user:${credentials.auths}`).toString('base64') } },
      credHelpers: { [helped.host]: 'canary' },
    }
    for (const registry of [plain, helped]) {
      registry.misbehave('/v2/', (visit) => {
        if (visit.request.headers.authorization?.startsWith('Basic ')) return visit.serve()
        visit.response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
      })
    }
    await mkdir(join(folder, 'bin'))
    const helper = join(folder, 'bin', 'docker-credential-canary')
    await writeFile(helper, `#!/bin/sh\necho '${JSON.stringify({ Username: 'user', Secret: credentials.helper })}'\necho 'failed with ${credentials.helper}' >&2\n`)
    await chmod(helper, 0o755)
    await writeFile(join(folder, 'config.json'), JSON.stringify(config))
    const key = canaries.bytes('network key', randomBytes(32)).toString('hex')
    canaries.bytes('digits of the network key', Buffer.from(key))
    await writeFile(join(folder, 'key'), `${key}\n`, { mode: 0o600 })
    const env = { DOCKER_CONFIG: folder, HOME: folder, PATH: `${join(folder, 'bin')}${delimiter}${process.env['PATH']}` }
    const run = async (host: string, ...more: readonly string[]): Promise<number | null> => {
      const args = ['pull', `${host}/team/app:v1`, '--to', join(folder, `layout-${host.replace(':', '-')}`), '--platform', 'linux/amd64', '--store', join(folder, 'store')]
      const result = await runCli([...args, '--listen', '/ip4/127.0.0.1/tcp/0', '--discovery', 'none', '--insecure', host, '--network-key-file', join(folder, 'key'), '--verbose', ...more], env)
      canaries.absentFrom(`the output of pull ${host}`, `${result.stdout}\n${result.stderr}`)
      return result.code
    }
    assert.equal(await run(plain.host), 0)
    assert.equal(await run(helped.host, '--json'), 0)
    assert.ok(helped.seen.some(({ headers }) => headers.authorization === `Basic ${Buffer.from(`user:${credentials.helper}`).toString('base64')}`))
    for (const registry of [plain, helped]) {
      registry.misbehave('/v2/', (visit) => {
        if (!visit.request.headers.authorization) return void visit.response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
        visit.response.writeHead(403).end(echo(visit))
      })
      for (const more of [[], ['--json']]) assert.equal(await run(registry.host, ...more), 1)
    }
    await writeFile(helper, `#!/bin/sh\necho 'no JSON but ${credentials.helper}'\n`)
    assert.notEqual(await run(helped.host), 0)
    const pem = join(folder, 'issuer.pem')
    const peerId = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'
    const { key: issuerKey } = newGrantKey()
    canaries.bytes('grant key', Buffer.from(issuerKey.replace(/-----.*-----|\n/g, '').slice(-40)))
    for (const [text, mode, code] of [[issuerKey, 0o600, 0], [issuerKey.replace('PRIVATE', 'PRIVAT'), 0o600, 2], [issuerKey, 0o644, 2]] as const) {
      await writeFile(pem, text, { mode })
      await chmod(pem, mode)
      const result = await runCli(['grant', '--key', pem, '--peer', peerId, '--match', 'registry.example/**', '--verbose', '--json'], env)
      canaries.absentFrom('the output of grant', `${result.stdout}\n${result.stderr}`)
      assert.equal(result.code, code)
    }
    await writeFile(join(folder, 'key'), `${key}${key}\n`)
    assert.notEqual(await run(plain.host), 0)
    await writeFile(join(folder, 'key'), `${key}\n`)
    await chmod(join(folder, 'key'), 0o644)
    assert.equal(await run(plain.host), 2)
    await chmod(join(folder, 'key'), 0o600)
    await writeFile(join(folder, 'config.json'), JSON.stringify(config).slice(0, -2))
    assert.notEqual(await run(plain.host), 0)
  })

  test('is found when it is there', () => {
    const text = canaries.text('test')
    for (const leak of [text, Buffer.from(`x:${text}`).toString('base64'), Buffer.from(text).toString('hex'), encodeURIComponent(text), visible({ key: Buffer.from(text) }), visible({ key: new Uint8Array(Buffer.from(text)) }), visible(new Error('x', { cause: new TypeError(text) }))]) {
      assert.throws(() => canaries.absentFrom('here', `${leak}`), /is in here/)
    }
  })
})

