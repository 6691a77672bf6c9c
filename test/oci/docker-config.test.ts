import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { findCredentials } from '../../src/oci/docker-config.ts'

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value))
const find = (config: unknown, registry: string, repository = 'team/app'): ReturnType<typeof findCredentials> =>
  findCredentials(bytes(config), { registry, repository }, '/home/me/config.json')
const user = (username: string): object => ({ kind: 'auth', auth: { username, password: 'p' } })
const entry = (username: string): object => ({ auth: base64(`${username}:p`) })

describe('findCredentials', () => {
  const table: [what: string, config: unknown, registry: string, repository: string, places: object[]][] = [
    ['nothing in an empty file', {}, 'reg.example', 'app', []],
    ['a host', { auths: { 'reg.example': entry('a') } }, 'reg.example', 'app', [user('a')]],
    ['a host with a port', { auths: { 'reg.example:5000': entry('a') } }, 'reg.example:5000', 'app', [user('a')]],
    ['not another port', { auths: { 'reg.example:5000': entry('a') } }, 'reg.example', 'app', []],
    ['an old URL', { auths: { 'https://reg.example/v1/': entry('a') } }, 'reg.example', 'app', [user('a')]],
    ["Docker Hub's legacy key", { auths: { 'https://index.docker.io/v1/': entry('a') } }, 'docker.io', 'library/app', [user('a')]],
    ['Docker Hub by its name', { auths: { 'docker.io': entry('a') } }, 'docker.io', 'library/app', [user('a')]],
    [
      'the longest namespace',
      { auths: { 'reg.example': entry('a'), 'reg.example/team': entry('b'), 'reg.example/team/app': entry('c') } },
      'reg.example',
      'team/app',
      [user('c')],
    ],
    ['not a part of a namespace', { auths: { 'reg.example/te': entry('a') } }, 'reg.example', 'team/app', []],
    ['a namespace of Docker Hub', { auths: { 'docker.io/team': entry('a') } }, 'docker.io', 'team/app', [user('a')]],
    ['user and password apart', { auths: { r: { username: 'a', password: 'p' } } }, 'r', 'app', [user('a')]],
    ['a colon in the password', { auths: { r: { auth: base64('a:b:c') } } }, 'r', 'app', [{ kind: 'auth', auth: { username: 'a', password: 'b:c' } }]],
    ['a padded password', { auths: { r: { auth: base64('a:p\0\0') } } }, 'r', 'app', [user('a')]],
    ['an identity token', { auths: { r: { auth: base64('a:'), identitytoken: 't' } } }, 'r', 'app', [{ kind: 'auth', auth: { identityToken: 't' } }]],
    ['an identity token as a password', { auths: { r: { auth: base64('<token>:t') } } }, 'r', 'app', [{ kind: 'auth', auth: { identityToken: 't' } }]],
    ['a registry token', { auths: { r: { registrytoken: 't' } } }, 'r', 'app', [{ kind: 'auth', auth: { registryToken: 't' } }]],
    ['nothing in an empty entry', { auths: { r: {} } }, 'r', 'app', []],
    ['a store, before what is in the file', { auths: { r: entry('a') }, credsStore: 'desktop' }, 'r', 'app', [{ kind: 'helper', helper: 'desktop', serverUrl: 'r' }, user('a')]],
    ['a helper rather than the store', { credHelpers: { r: 'ecr' }, credsStore: 'desktop' }, 'r', 'app', [{ kind: 'helper', helper: 'ecr', serverUrl: 'r' }]],
    ["Docker Hub's helper by its legacy key", { credsStore: 'x' }, 'docker.io', 'library/app', [{ kind: 'helper', helper: 'x', serverUrl: 'https://index.docker.io/v1/' }]],
  ]
  for (const [what, config, registry, repository, places] of table) {
    test(`finds ${what}`, () => {
      assert.deepEqual(find(config, registry, repository), places)
    })
  }

  const malformed: [what: string, config: unknown][] = [
    ['an empty file', ''],
    ['half a file', '{"auths":'],
    ['a list', []],
    ['auths that is a list', { auths: ['canary'] }],
    ['an entry that is text', { auths: { r: 'canary' } }],
    ['an auth that is no pair', { auths: { r: { auth: base64('canary') } } }],
    ['a password that is no text', { auths: { r: { username: 'a', password: 7 } } }],
    ['a helper with a path', { credHelpers: { r: '../canary' } }],
  ]
  for (const [what, config] of malformed) {
    test(`refuses ${what}, naming the file and nothing in it`, () => {
      assert.throws(() => find(config, 'r'), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'ERR_REQUEST_OPTION')
        assert.ok(error.message.includes('/home/me/config.json'))
        assert.equal(error.message.includes('canary'), false)
        return true
      })
    })
  }

  test("another registry's malformed entry does not matter", () => {
    assert.deepEqual(find({ auths: { other: 'text', r: entry('a') } }, 'r'), [user('a')])
  })
})
