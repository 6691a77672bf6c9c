import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { parseDistributionPath } from '../../src/mirror/distribution-path.ts'
import { Refusal } from '../../src/mirror/refusal.ts'
import { fuzzRuns } from '../support/fuzz.ts'

const hex = 'ab'.repeat(32)
const digest = `sha256:${hex}`

function refused(target: string): [number, string] | undefined {
  const parsed = parseDistributionPath(target)
  return parsed instanceof Refusal ? [parsed.status, parsed.code] : undefined
}

describe('parseDistributionPath', () => {
  test('reads what engines ask for', () => {
    const table: [target: string, request: object, namespace?: string][] = [
      ['/v2', { kind: 'base' }],
      ['/v2/', { kind: 'base' }],
      ['/v2/library/alpine/manifests/3.20', { kind: 'manifest', repository: 'library/alpine', name: { tag: '3.20' } }],
      [`/v2/a/manifests/${digest}`, { kind: 'manifest', repository: 'a', name: { digest } }],
      [`/v2/a/b/c/blobs/${digest}?ns=reg.example%3A5000`, { kind: 'blob', repository: 'a/b/c', digest }, 'reg.example:5000'],
      [`/v2/reg.example:5000/a/blobs/${digest}`, { kind: 'blob', repository: 'reg.example:5000/a', digest }],
      ['/v2/a/tags/list?n=5&ns=reg.example&next_page=x%2F', { kind: 'tags', repository: 'a', rest: 'tags/list?n=5&next_page=x%2F' }, 'reg.example'],
      [`/v2/a/referrers/${digest}?artifactType=x%2Fy`, { kind: 'referrers', repository: 'a', rest: `referrers/${digest}?artifactType=x%2Fy` }],
      ['/v2/manifests/manifests/manifests', { kind: 'manifest', repository: 'manifests', name: { tag: 'manifests' } }],
    ]
    for (const [target, request, namespace] of table) {
      assert.deepEqual(parseDistributionPath(target), { request, namespace }, target)
    }
  })

  test('refuses names that no repository has', () => {
    for (const name of ['A', 'a//b', '/a', 'a/', '..', '../../etc/passwd', 'a/../b', '%2e%2e%2f', '%252e', 'a%00', 'a\r\nb', 'a\x7f', 'é', '%c0%ae', 'a'.repeat(300)]) {
      const [status = 0, code] = refused(`/v2/${name}/manifests/latest`) ?? []
      assert.ok(status === 400 && code === 'NAME_INVALID', `${JSON.stringify(name)} is answered by ${status} ${code}`)
    }
  })

  test('refuses digests of any other form', () => {
    for (const bad of ['sha256:..', `sha256:${'/'.repeat(64)}`, `sha256:${hex.slice(1)}`, `${digest}a`, digest.toUpperCase(), `sha256:${hex.toUpperCase()}`, 'md5:d41d8cd98f00b204e9800998ecf8427e', `sha512:${hex}${hex}`]) {
      assert.deepEqual(refused(`/v2/a/blobs/${bad}`), [400, 'DIGEST_INVALID'], bad)
      assert.deepEqual(refused(`/v2/a/manifests/${bad}`), [400, 'DIGEST_INVALID'], bad)
    }
  })

  test('refuses tags of any other form', () => {
    for (const bad of ['..', '.a', '-a', 'a'.repeat(129), 'a:b', 'a+b', 'a@b']) assert.deepEqual(refused(`/v2/a/manifests/${bad}`), [400, 'TAG_INVALID'], bad)
  })

  test('takes one host for ns, and nothing else', () => {
    for (const bad of ['../../x', 'https://reg.example/', 'user:secret@reg.example', 'a/b', '', 'a&ns=b']) {
      assert.deepEqual(refused(`/v2/a/blobs/${digest}?ns=${bad}`), [400, 'NAME_INVALID'], bad)
    }
  })

  test('knows no other endpoint', () => {
    for (const target of ['/', '/v1/_ping', '/v2/_catalog', '/v2/a/blobs/uploads/', '/v2/a/tags/other', '/metrics', '/v3/']) assert.equal(refused(target)?.[0], 404, target)
    assert.deepEqual(refused('http://evil.example/v2/'), [400, 'UNSUPPORTED'])
    assert.equal(refused(`/v2/${'a/'.repeat(5000)}`)?.[0], 414)
  })

  test('never throws, and what it lets through has no dots, escapes or blanks', () => {
    const target = fc.oneof(fc.string({ unit: 'binary' }), fc.string().map((text) => `/v2/${text}/blobs/${digest}`), fc.webPath().map((path) => `/v2${path}/manifests/a`))
    fc.assert(
      fc.property(target, (text) => {
        const parsed = parseDistributionPath(text)
        if (parsed instanceof Refusal || parsed.request.kind === 'base') return
        assert.match(parsed.request.repository, /^[a-z0-9.:[\]_/-]+$/)
        assert.ok(!parsed.request.repository.split('/').some((part) => part === '' || part === '.' || part === '..'))
      }),
      fuzzRuns(5000),
    )
  })
})
