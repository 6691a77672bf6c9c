import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, test } from 'vitest'
import { userCredentials } from '../../src/oci/credential-files.ts'
import { findCredentials } from '../../src/oci/docker-config.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { fuzz } from '../oci/fuzz.ts'
import { FakeRegistry } from './fake-registry.ts'
import { Pull } from './pull.ts'

const content = seededContent(91, 3000)
const basicOf = (pair: string): string => Buffer.from(pair).toString('base64')

let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'damselfly-logins-'))
})
afterEach(() => rm(home, { recursive: true }))

/** Lets in who shows any password. */
async function gatedRegistry(): Promise<FakeRegistry> {
  const registry = await FakeRegistry.open()
  registry.addBlob(content)
  registry.misbehave('/v2/', ({ request, response, serve }) => {
    if (request.headers.authorization) return serve()
    response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
  })
  return registry
}

describe('files of logins', () => {
  test('a registry gets the credentials that are kept under its own name, and no other server gets any', async () => {
    await using known = await gatedRegistry()
    await using unknown = await gatedRegistry()
    await using evil = await FakeRegistry.open()
    const port = known.host.split(':')[1]
    const auth = { auth: basicOf('user:canary') }
    await mkdir(join(home, '.docker'))
    const config = {
      auths: {
        [known.host]: auth,
        // Names of the other one that are not quite its own.
        [`${unknown.host}.example`]: auth,
        [`x${unknown.host}`]: auth,
        [`user@${unknown.host}`]: auth,
        [`https://${known.host}@${unknown.host}/`]: auth,
        '127.0.0.1': auth,
        [`localhost:${port}`]: auth,
        '': auth,
        '*': auth,
      },
      HttpHeaders: { 'X-Secret': 'canary' },
      proxies: { default: { httpProxy: evil.url, httpsProxy: evil.url } },
    }
    await writeFile(join(home, '.docker', 'config.json'), JSON.stringify(config))
    for (const name of ['.netrc', '_netrc']) await writeFile(join(home, name), `machine 127.0.0.1 login user password canary\ndefault login user password canary\n`)
    const credentials = userCredentials({ env: { HOME: home }, homeFolder: home })
    await using pull = await Pull.open([known, unknown], [content], { credentials })
    const failure = await pull.fails(pull.layer(unknown, content), 'ERR_ORIGIN_AUTH')
    assert.equal(failure.status, 401)
    assert.deepEqual(unknown.seen.flatMap(({ headers }) => headers.authorization ?? []), [])
    await pull.exact(await pull.layer(known, content), content)
    assert.equal(known.seen.at(-1)?.headers.authorization, `Basic ${auth.auth}`)
    for (const { headers } of [...known.seen, ...unknown.seen]) assert.equal(headers['x-secret'], undefined)
    assert.equal(evil.connectionCount, 0)
    await pull.innocent()
  })

  test('no key but the name of a registry, or a namespace of it, is one of its credentials', () => {
    const host = fc.constantFrom('reg.example', 'reg.example:5000', 'a.reg.example', 'reg.example.evil.example', '127.0.0.1:5000', '[::1]:5000', 'localhost')
    const around = fc.constantFrom('', ' ', '.', '@', '/', '//', 'user@', 'x', '*', '%2f', '\u0000', 'https://', 'http://', 'HTTPS://', ':443', ':5000', '/v1/', '/team', '/team/app', '/tea', '#', '?')
    fc.assert(
      fc.property(host, host, around, around, (registry, other, before, behind) => {
        const key = `${before}${other}${behind}`
        const config = new TextEncoder().encode(JSON.stringify({ auths: { [key]: { auth: basicOf('user:canary') } } }))
        const found = findCredentials(config, { registry, repository: 'team/app' }, 'config.json')
        if (found.length === 0) return
        // What a person reads: the host, whole, after a scheme at most and before a path at most.
        const [, named] = /^(?:https?:\/\/)?([^/]*)(?:\/.*)?$/.exec(key) ?? []
        assert.equal(named?.toLowerCase(), registry, key)
      }),
      fuzz,
    )
  })
})
