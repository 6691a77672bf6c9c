import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { parseReference, printReference, registryHost } from '../../src/core/reference.ts'

const hex = 'a1'.repeat(32)
const digest = `sha256:${hex}` as const

describe('parseReference', () => {
  const read: [text: string, printed: string][] = [
    ['alpine', 'docker.io/library/alpine:latest'],
    ['alpine:3.20', 'docker.io/library/alpine:3.20'],
    ['team/app', 'docker.io/team/app:latest'],
    ['docker.io/alpine', 'docker.io/library/alpine:latest'],
    ['index.docker.io/team/app:1', 'docker.io/team/app:1'],
    ['Docker.IO/library/alpine', 'docker.io/library/alpine:latest'],
    ['ghcr.io/team/app/sub:v1', 'ghcr.io/team/app/sub:v1'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/app', 'localhost:5000/app:latest'],
    ['127.0.0.1:5000/app:2', '127.0.0.1:5000/app:2'],
    ['[::1]:5000/app:2', '[::1]:5000/app:2'],
    ['[2001:DB8::1]/app', '[2001:db8::1]/app:latest'],
    ['registry:5000/app', 'registry:5000/app:latest'],
    [`alpine@${digest}`, `docker.io/library/alpine@${digest}`],
    [`reg.example/app:1@${digest}`, `reg.example/app:1@${digest}`],
    ['reg.example/a__b/c-d/e--f/g.h', 'reg.example/a__b/c-d/e--f/g.h:latest'],
  ]
  for (const [text, printed] of read) {
    test(`${text} is ${printed}`, () => {
      assert.equal(printReference(parseReference(text)), printed)
    })
  }

  const refused: [text: string, code: string][] = [
    ['', 'ERR_REQUEST_NAME'],
    ['/', 'ERR_REQUEST_NAME'],
    [':tag', 'ERR_REQUEST_NAME'],
    ['app:', 'ERR_REQUEST_NAME'],
    ['app:.dot', 'ERR_REQUEST_NAME'],
    [`app:${'t'.repeat(129)}`, 'ERR_REQUEST_NAME'],
    ['team/App', 'ERR_REQUEST_NAME'],
    ['Team/app', 'ERR_REQUEST_NAME'],
    ['team//app', 'ERR_REQUEST_NAME'],
    ['team/../app', 'ERR_REQUEST_NAME'],
    ['team/a___b', 'ERR_REQUEST_NAME'],
    ['team/app/', 'ERR_REQUEST_NAME'],
    ['https://ghcr.io/team/app', 'ERR_REQUEST_NAME'],
    ['user:secret@ghcr.io/team/app', 'ERR_REQUEST_DIGEST'],
    ['reg.example:99999/app', 'ERR_REQUEST_NAME'],
    ['reg.example:/app', 'ERR_REQUEST_NAME'],
    ['[::1/app', 'ERR_REQUEST_NAME'],
    ['[zz::1]:5000/app', 'ERR_REQUEST_NAME'],
    ['-reg.example/app', 'ERR_REQUEST_NAME'],
    ['reg.example/app name', 'ERR_REQUEST_NAME'],
    ['reg.example/app%2fb', 'ERR_REQUEST_NAME'],
    [`reg.example/${'a'.repeat(244)}`, 'ERR_REQUEST_NAME'],
    [`app@sha256:${hex.toUpperCase()}`, 'ERR_REQUEST_DIGEST'],
    [`app@sha512:${hex}${hex}`, 'ERR_REQUEST_DIGEST'],
    [`app@${digest}@${digest}`, 'ERR_REQUEST_DIGEST'],
    ['app@', 'ERR_REQUEST_DIGEST'],
    ['a'.repeat(100_000), 'ERR_REQUEST_NAME'],
  ]
  for (const [text, code] of refused) {
    test(`${JSON.stringify(text.slice(0, 40))} is refused with ${code}`, () => {
      assert.throws(() => parseReference(text), { code })
    })
  }

  test('a name of 255 characters is the longest', () => {
    const longest = `reg.example/${'a'.repeat(243)}`
    assert.equal(parseReference(longest).repository.length, 243)
  })
})

describe('registryHost', () => {
  test('Docker Hub answers at registry-1.docker.io', () => {
    assert.equal(registryHost(parseReference('alpine')), 'registry-1.docker.io')
  })

  test('any other registry answers at its own host', () => {
    assert.equal(registryHost(parseReference('localhost:5000/app')), 'localhost:5000')
  })
})
