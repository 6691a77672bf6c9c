import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { judgeRealm, type RealmAsker } from '../../src/oci/realm-policy.ts'

const asker = (url: string, more: Partial<RealmAsker> = {}): RealmAsker => ({
  url: new URL(url),
  insecure: false,
  trustedRealms: [],
  ...more,
})

describe('judgeRealm', () => {
  const trusted: [realm: string, asker: RealmAsker][] = [
    ['https://registry.example/token', asker('https://registry.example')],
    ['https://registry.example:8443/token', asker('https://registry.example:8443')],
    ['https://auth.docker.io/token', asker('https://registry-1.docker.io')],
    ['https://gitlab.com/jwt/auth', asker('https://registry.gitlab.com')],
    ['https://auth.example/token', asker('https://registry.example', { trustedRealms: ['auth.example'] })],
    ['https://10.0.0.7/token', asker('https://registry.example', { trustedRealms: ['10.0.0.7'] })],
    ['http://127.0.0.1:5000/token', asker('http://127.0.0.1:5000', { insecure: true })],
  ]
  for (const [realm, who] of trusted) {
    test(`${realm} may have the credentials of ${who.url.host}`, () => {
      assert.equal(judgeRealm(realm, who).trusted, true)
    })
  }

  const anonymous: [realm: string, asker: RealmAsker][] = [
    ['https://auth.example/token', asker('https://registry.example')],
    ['https://evil.registry.example/token', asker('https://registry.example')],
    ['https://registry.example:8443/token', asker('https://registry.example')],
    ['https://auth.docker.io/token', asker('https://registry.example')],
    ['http://127.0.0.1:5001/token', asker('http://127.0.0.1:5000', { insecure: true })],
  ]
  for (const [realm, who] of anonymous) {
    test(`${realm} is asked without the credentials of ${who.url.host}`, () => {
      assert.equal(judgeRealm(realm, who).trusted, false)
    })
  }

  const refused: [realm: string | undefined, asker: RealmAsker][] = [
    [undefined, asker('https://registry.example')],
    ['', asker('https://registry.example')],
    ['token', asker('https://registry.example')],
    ['ftp://registry.example/token', asker('https://registry.example')],
    ['https://user:secret@registry.example/token', asker('https://registry.example')],
    ['http://registry.example/token', asker('https://registry.example')],
    ['http://auth.example/token', asker('https://registry.example', { trustedRealms: ['auth.example'] })],
    ['http://registry.example/token', asker('https://registry.example', { insecure: true })],
    ['https://169.254.169.254/token', asker('https://registry.example')],
    ['https://0x7f000001/token', asker('https://registry.example')],
    ['https://[::1]/token', asker('https://registry.example')],
    ['https://8.8.8.8/token', asker('https://registry.example')],
    ['https://127.0.0.2/token', asker('https://127.0.0.1:5000')],
  ]
  for (const [realm, who] of refused) {
    test(`${realm} is refused to ${who.url.host}${who.insecure ? ' (insecure)' : ''}`, () => {
      assert.throws(() => judgeRealm(realm, who), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'ERR_ORIGIN_REALM')
        assert.equal(error.message.includes('secret'), false)
        return true
      })
    })
  }
})
