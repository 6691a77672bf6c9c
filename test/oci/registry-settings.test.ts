import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { SettingsTable, type RegistryOptions } from '../../src/oci/registry-settings.ts'
import { testCertificate } from './certificate.ts'

const urlOf = (registry: string, registries: Record<string, RegistryOptions> = {}): string =>
  new SettingsTable(registries).of(registry).url.href

describe('SettingsTable', () => {
  test('a registry answers over HTTPS at its name, Docker Hub where it really is', () => {
    assert.equal(urlOf('reg.example'), 'https://reg.example/')
    assert.equal(urlOf('docker.io'), 'https://registry-1.docker.io/')
  })

  test('no host is insecure by itself', () => {
    for (const host of ['localhost', 'localhost:5000', '127.0.0.1:5000', '[::1]:5000']) {
      assert.equal(new URL(urlOf(host)).protocol, 'https:')
      assert.equal(new SettingsTable({}).of(host).insecure, false)
    }
  })

  test('an insecure one answers over plain HTTP, or at its url', () => {
    assert.equal(urlOf('localhost:5000', { 'localhost:5000': { insecure: true } }), 'http://localhost:5000/')
    assert.equal(urlOf('r.example', { 'r.example': { insecure: true, url: 'https://10.0.0.1:8443' } }), 'https://10.0.0.1:8443/')
  })

  test('entries are found by the names that references have', () => {
    assert.equal(urlOf('docker.io', { 'Index.Docker.IO': { url: 'https://hub.internal' } }), 'https://hub.internal/')
  })

  test('a token service that is trusted may have a certificate of the same authority', () => {
    const ca = testCertificate('reg.example').cert
    const { trust } = new SettingsTable({ 'reg.example': { ca, trustedRealms: ['auth.example'] } })
    assert.deepEqual([...trust.keys()], ['auth.example', 'reg.example'])
    assert.equal(trust.get('auth.example')?.insecure, undefined)
  })

  const refused: [what: string, registries: Record<string, RegistryOptions>][] = [
    ['a name with a path', { 'reg.example/team': {} }],
    ['a name with a scheme', { 'https://reg.example': {} }],
    ['a url that is none', { 'reg.example': { url: 'reg.example' } }],
    ['a url with a password', { 'reg.example': { url: 'https://user:canary@reg.example' } }],
    ['a url with a query', { 'reg.example': { url: 'https://reg.example/?token=canary' } }],
    ['a plain url without leave', { 'reg.example': { url: 'http://reg.example' } }],
    ['a plain mirror without leave', { 'reg.example': { mirrors: ['http://mirror.example'] } }],
    ["a plain mirror with the registry's leave", { 'reg.example': { insecure: true, mirrors: ['http://mirror.example'] } }],
    ['a ca that is none', { 'reg.example': { ca: 'canary' } }],
    ['a realm with a path', { 'reg.example': { trustedRealms: ['auth.example/token'] } }],
    ['a realm with a scheme', { 'reg.example': { trustedRealms: ['https://auth.example'] } }],
  ]
  for (const [what, registries] of refused) {
    test(`refuses ${what}`, () => {
      assert.throws(() => new SettingsTable(registries), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'ERR_REQUEST_OPTION')
        assert.equal(error.message.includes('canary'), false)
        return true
      })
    })
  }

  test('a plain mirror with leave of its own is taken', () => {
    const table = new SettingsTable({
      'reg.example': { mirrors: ['http://mirror.example:5000'] },
      'mirror.example:5000': { insecure: true },
    })
    assert.deepEqual(table.of('reg.example').mirrors.map(String), ['http://mirror.example:5000/'])
  })
})
