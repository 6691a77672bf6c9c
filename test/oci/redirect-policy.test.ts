import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { followRedirect, printUrl, type Hop } from '../../src/oci/redirect-policy.ts'
import { Secret } from '../../src/core/secret.ts'

const start: Hop = {
  url: new URL('https://registry.example/v2/app/blobs/x'),
  headers: { accept: '*/*', range: 'bytes=5-', 'if-range': '"tag"', cookie: 'a=b', 'x-key': 'k' },
  authorization: new Secret('Bearer canary'),
  redirects: 0,
}

describe('followRedirect', () => {
  test('a redirect to the same scheme, host and port keeps every header', () => {
    const next = followRedirect(start, '/elsewhere?sig=1')
    assert.equal(next.url.href, 'https://registry.example/elsewhere?sig=1')
    assert.deepEqual(next.headers, start.headers)
    assert.equal(next.authorization, start.authorization)
  })

  const others: [what: string, location: string][] = [
    ['host', 'https://cdn.example/blob'],
    ['subdomain', 'https://cdn.registry.example/blob'],
    ['port', 'https://registry.example:8443/blob'],
    ['scheme-relative host', '//cdn.example/blob'],
  ]
  for (const [what, location] of others) {
    test(`a redirect to another ${what} loses credentials and custom headers, and keeps the range`, () => {
      const next = followRedirect(start, location)
      assert.deepEqual(next.headers, { accept: '*/*', range: 'bytes=5-', 'if-range': '"tag"' })
      assert.equal(next.authorization, undefined)
    })
  }

  test('what was dropped on one hop does not come back on the way home', () => {
    const home = followRedirect(followRedirect(start, 'https://cdn.example/blob'), 'https://registry.example/blob')
    assert.equal(home.authorization, undefined)
    assert.equal('cookie' in home.headers, false)
  })

  const refused: [what: string, location: string | undefined][] = [
    ['plain HTTP', 'http://registry.example/blob'],
    ['a file', 'file:///etc/passwd'],
    ['a script', 'javascript:alert(1)'],
    ['an address with a password', 'https://user:secret@cdn.example/'],
    ['nowhere', undefined],
    ['what is no address', 'https://'],
  ]
  for (const [what, location] of refused) {
    test(`a redirect to ${what} is refused`, () => {
      assert.throws(() => followRedirect(start, location), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'ERR_ORIGIN_REDIRECT')
        assert.equal(error.message.includes('secret'), false)
        return true
      })
    })
  }

  test('plain HTTP may redirect to plain HTTP and to HTTPS', () => {
    const plain = { ...start, url: new URL('http://registry.local:5000/v2/') }
    assert.equal(followRedirect(plain, 'http://cdn.local/x').url.protocol, 'http:')
    assert.equal(followRedirect(plain, 'https://cdn.local/x').url.protocol, 'https:')
  })

  test('the sixth redirect is refused', () => {
    let hop = start
    for (let count = 1; count <= 5; count++) hop = followRedirect(hop, `/hop/${count}`)
    assert.equal(hop.redirects, 5)
    assert.throws(() => followRedirect(hop, '/hop/6'), { code: 'ERR_ORIGIN_REDIRECT' })
  })
})

describe('printUrl', () => {
  test('a query and a fragment, which may be a signature, are not shown', () => {
    assert.equal(printUrl(new URL('https://cdn.example/a/b?X-Amz-Signature=canary#canary')), 'https://cdn.example/a/b')
  })
})
