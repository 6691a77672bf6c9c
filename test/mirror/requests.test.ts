import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { once } from 'node:events'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, test } from 'vitest'
import type { Logger } from '../../src/core/log.ts'
import type { RegistryMirror } from '../../src/mirror/registry-mirror.ts'
import { embeddedOrigin, type EmbeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { serveRaw } from '../oci/servers.ts'
import { TestNodes } from '../support/nodes.ts'
import { ask, mirrorOf, parseAnswer, rawExchange, registry, watchedStore } from './mirror-fixture.ts'

const hex = 'ab'.repeat(32)
const digest = `sha256:${hex}`

type Row = [name: string, target: string, options?: Parameters<typeof ask>[2]]

/** Rows of table P of the design notes that are refused before anybody is asked. */
describe('requests that a mirror refuses', () => {
  const content = seededContent(1, 1000)
  let origin: EmbeddedOrigin
  let nodes: TestNodes
  let mirror: RegistryMirror
  let asked: string[]

  beforeAll(async () => {
    origin = await embeddedOrigin()
    origin.addBlob(content)
    nodes = new TestNodes()
    const watched = await watchedStore(nodes)
    asked = watched.asked
    ;({ mirror } = await mirrorOf(nodes, origin, { node: { store: watched.store } }))
    asked.length = 0
  })
  afterAll(async () => {
    // What was refused left no trace, and what was watched does tell.
    assert.deepEqual([asked, origin.requests().total], [[], 0])
    const answer = await ask(mirror.url, `/v2/a/blobs/${content.digest}`)
    assert.equal(answer.body, Buffer.from(content.read({ offset: 0, length: 1000 })).toString('latin1'))
    assert.ok(asked.includes('put') && origin.requests().total > 0)
    await nodes[Symbol.asyncDispose]()
    await origin.close()
  })

  async function refuses(status: number, code: string, rows: readonly Row[]): Promise<void> {
    for (const [name, target, options] of rows) {
      const answer = await ask(mirror.url, target, options)
      assert.deepEqual([answer.status, answer.code], [status, code], `${name}: ${answer.body}`)
      assert.equal(answer.headers.get('content-type'), 'application/json', name)
      assert.equal(answer.headers.get('content-length'), String(answer.body.length), name)
    }
  }

  test('P1: methods that do not read', async () => {
    const methods = ['PUT', 'POST', 'PATCH', 'DELETE', 'TRACE', 'OPTIONS']
    for (const target of ['/v2/a/manifests/x', '/v2/a/blobs/uploads/', `/v2/a/blobs/${digest}`]) {
      await refuses(405, 'UNSUPPORTED', methods.map((method) => [method, target, { method }]))
    }
    await refuses(405, 'UNSUPPORTED', [['CONNECT', 'evil.example:443', { method: 'CONNECT', host: 'host: evil.example:443\r\n' }]])
    assert.equal((await ask(mirror.url, '/v2/', { method: 'PUT' })).headers.get('allow'), 'GET, HEAD')
  })

  test('P2: /v2 and /v2/ are there, other paths are not', async () => {
    for (const target of ['/v2', '/v2/', '/v2/?ns=reg.example']) {
      const { status, body, headers } = await ask(mirror.url, target)
      assert.deepEqual([status, body, headers.get('docker-distribution-api-version')], [200, '{}', 'registry/2.0'], target)
    }
    const targets = ['/', '/v1/_ping', '/v3/', '/v22/', '/v2/_catalog', '/v2/a', '/v2/a/manifests', '/v2/a/tags/other', '/v2/a/blobs/uploads/x/y']
    await refuses(404, 'UNSUPPORTED', targets.map((target) => ['no such endpoint', target]))
  })

  test('P3: names that no repository has', async () => {
    const names = ['A', 'a/B', 'a//b', '/a', 'a/', 'a'.repeat(300), 'a_-b', '.a', 'a@b']
    await refuses(400, 'NAME_INVALID', names.map((name) => [name, `/v2/${name}/manifests/latest`]))
  })

  test('P4: ways out of the store, before it is asked', async () => {
    const paths = ['../../etc/passwd', 'a/../../../etc/passwd', '%2e%2e%2f%2e%2e%2fetc/passwd', '%252e%252e%252fetc/passwd', '..%2f..', '..\\..\\etc']
    await refuses(400, 'NAME_INVALID', paths.flatMap((path): Row[] => [[path, `/v2/${path}/manifests/latest`], [path, `/v2/${path}/blobs/${digest}`]]))
    for (const target of [...paths.map((path) => `/v2/${path}`), `/v2/a/blobs/../../${digest}`, '/../etc/passwd', '//etc/passwd']) {
      assert.ok([400, 404].includes((await ask(mirror.url, target)).status), target)
    }
  })

  test('P5: bytes that no name is made of', async () => {
    const escapes = ['%00', '%0d%0a', '%7f', '%c0%ae%c0%ae', '%ff', '%e0%80%af', '%', '%zz']
    await refuses(400, 'NAME_INVALID', escapes.flatMap((text): Row[] => [[text, `/v2/a${text}b/manifests/x`], [text, `/v2/a/manifests/x${text}`], [text, `/v2/a/blobs/${digest}?ns=${text}`]]))
    // As they are, on the socket: NUL, CR, LF, both, DEL, UTF-8 that is not, dots that are too long, and letters that are no ASCII.
    for (const bytes of ['\0', '\r', '\n', '\r\n', '\x7f', '\xff\xfe', '\xc0\xae\xc0\xae', '\xe0\x80\xaf', '\xc3\xa9']) {
      for (const target of [`/v2/a${bytes}b/manifests/x`, `/v2/a/manifests/x${bytes}`, `/v2/a/tags/list?n=${bytes}`, `/v2/a/blobs/${digest}?ns=${bytes}`]) {
        const { status, code } = await ask(mirror.url, target)
        assert.ok(status === 400 && code !== undefined, `${JSON.stringify(target)} is answered by ${status}`)
      }
    }
  })

  test('P6: digests of any other form', async () => {
    const bad = ['sha256:..', `sha256:${hex.slice(1)}`, `${digest}a`, `sha256:${hex.toUpperCase()}`, `SHA256:${hex}`, 'md5:d41d8cd98f00b204e9800998ecf8427e', `sha256:${'/'.repeat(64)}`, 'sha256:', 'x']
    await refuses(400, 'DIGEST_INVALID', bad.map((name) => [name, `/v2/a/blobs/${name}`]))
    await refuses(400, 'DIGEST_INVALID', bad.map((name) => [name, `/v2/a/referrers/${name}`]))
    await refuses(400, 'DIGEST_INVALID', bad.filter((name) => name.includes(':')).map((name) => [name, `/v2/a/manifests/${name}`]))
  })

  test('P7: tags of any other form', async () => {
    const bad = ['a'.repeat(129), '..', '.', '.a', '-a', 'a:b', '1.0:latest', 'a+b']
    await refuses(400, 'TAG_INVALID', bad.map((tag) => [tag, `/v2/a/manifests/${tag}`]))
  })

  test('P8: an ns that is not one host', async () => {
    const bad = ['../../x', 'https://reg.example/', 'http%3A%2F%2Freg.example', 'me:secret@reg.example', '/', '', 'reg.example:99999', 'reg.example%20', `reg.example&ns=${registry}`, `${registry}&ns=${registry}`]
    await refuses(400, 'NAME_INVALID', bad.flatMap((ns): Row[] => [[ns, `/v2/a/manifests/x?ns=${ns}`], [ns, `/v2/a/blobs/${digest}?ns=${ns}`], [ns, `/v2/a/tags/list?ns=${ns}`]]))
  })

  test('P12: registries that are not listed, to which no socket is opened', async () => {
    await using other = await serveRaw((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'))
    const hosts = [other.host, `localhost:${other.port}`, `[::ffff:127.0.0.1]:${other.port}`, '169.254.169.254', 'localhost:22', 'internal.corp']
    const paths = ['manifests/x', `manifests/${digest}`, `blobs/${digest}`, 'tags/list', `referrers/${digest}`]
    await refuses(404, 'NAME_UNKNOWN', hosts.flatMap((host) => paths.flatMap((path): Row[] => [[host, `/v2/a/${path}?ns=${host}`], [host, `/v2/${host.replace(/^\[.*\]/, '127.0.0.1')}/a/${path}`]])))
    // Whoever dialled it would have come before us.
    const own = connect(other.port, '127.0.0.1')
    await once(own, 'connect')
    own.resume().end('x')
    await once(own, 'close')
    assert.equal(other.connectionCount, 1)
  })

  test('P14: heads that are too large', async () => {
    await refuses(431, 'UNSUPPORTED', [
      ['headers of 100 KiB', '/v2/', { headers: `x: ${'a'.repeat(100 * 1024)}\r\n` }],
      ['2,000 headers', '/v2/', { headers: 'a: b\r\n'.repeat(2000) }],
      ['101 headers', '/v2/', { headers: 'a: b\r\n'.repeat(99) }],
      ['a target of 64 KiB', `/v2/${'a'.repeat(64 * 1024)}`],
    ])
    await refuses(414, 'NAME_INVALID', [
      ['a path of 5 KiB', `/v2/${'a/'.repeat(2500)}manifests/x`],
      ['a query of 5 KiB', `/v2/a/tags/list?last=${'a'.repeat(5000)}`],
    ])
  })

  test('P25: names that are not the mirror\'s', async () => {
    const { port } = new URL(mirror.url)
    const hosts = ['evil.com', `evil.com:${port}`, '127.0.0.1.evil.com', 'localhost.evil.com', '127.0.0.1@evil.com', 'evil.com\\@127.0.0.1', '']
    await refuses(421, 'UNSUPPORTED', hosts.map((host) => [host, '/v2/', { host: `host: ${host}\r\n` }]))
    await refuses(400, 'UNSUPPORTED', [
      ['two hosts', '/v2/', { host: 'host: 127.0.0.1\r\nhost: evil.com\r\n' }],
      ['the same host twice', '/v2/', { host: 'host: 127.0.0.1\r\nHost: 127.0.0.1\r\n' }],
      ['no host', '/v2/', { host: '' }],
      ['an absolute target', 'http://evil.com/v2/'],
      ['an absolute target of ours', `${mirror.url}/v2/`],
      ['a target that is an asterisk', '*'],
    ])
    for (const host of ['127.0.0.1', 'localhost:1', '[::1]:5001']) assert.equal((await ask(mirror.url, '/v2/', { host: `host: ${host}\r\n` })).status, 200, host)
  })

  test('P26: there is no admin route, with whatever token', async () => {
    const tokens = ['', 'authorization: Bearer admin\r\n', 'authorization: Basic YWRtaW46YWRtaW4=\r\n']
    for (const headers of tokens) await refuses(404, 'UNSUPPORTED', ['/admin', '/_admin/', '/v2/_admin', '/metrics', '/debug/pprof/', '/config'].map((target) => [headers, target, { headers }]))
  })

  test('P27: browsers', async () => {
    const preflight = 'access-control-request-method: GET\r\naccess-control-request-private-network: true\r\n'
    const rows: Row[] = [
      ['preflight', '/v2/', { method: 'OPTIONS', headers: `origin: https://evil.example\r\n${preflight}` }],
      ['preflight without an origin', '/v2/', { method: 'OPTIONS', headers: preflight }],
      ['a script', '/v2/', { headers: 'origin: https://evil.example\r\n' }],
      ['a script of a file', `/v2/a/blobs/${digest}`, { headers: 'origin: null\r\n' }],
      ['a form', '/v2/a/manifests/x', { method: 'POST', headers: `origin: ${mirror.url}\r\n` }],
      ['a probe by a script', '/readyz', { headers: 'origin: https://evil.example\r\n' }],
    ]
    await refuses(403, 'DENIED', rows)
    for (const [, target, options] of [...rows, ['nobody', '/v2/'] satisfies Row]) {
      const { headers } = await ask(mirror.url, target, options)
      assert.deepEqual([...headers.keys()].filter((name) => name.startsWith('access-control-')), [])
    }
  })

  test('P29: bodies whose length is said twice, and not the same; the connection is closed', async () => {
    const lengths = [
      'content-length: 5\r\ntransfer-encoding: chunked\r\n',
      'transfer-encoding: chunked\r\ncontent-length: 5\r\n',
      'content-length: 5\r\ncontent-length: 6\r\n',
      'content-length: 5, 6\r\n',
      'content-length: -1\r\n',
      'transfer-encoding: xchunked\r\n',
      'transfer-encoding: chunked, identity\r\n',
    ]
    for (const headers of lengths) {
      // Nothing asks for the end, and what is smuggled in behind is not answered.
      const request = `GET /v2/ HTTP/1.1\r\nhost: 127.0.0.1\r\n${headers}\r\n0\r\n\r\nGET /v2/ HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`
      const text = await rawExchange(mirror.url, request)
      const { status, code, headers: answered } = parseAnswer(text)
      assert.deepEqual([status, code, answered.get('connection'), text.split('HTTP/1.1 ').length], [400, 'UNSUPPORTED', 'close', 2], headers)
    }
  })

  test('P31: expectations, and other protocols', async () => {
    await refuses(417, 'UNSUPPORTED', [
      ['100-continue', '/v2/', { headers: 'expect: 100-continue\r\n' }],
      ['another one', '/v2/', { method: 'PUT', headers: 'expect: the-worst\r\ncontent-length: 5\r\n' }],
    ])
    for (const upgrade of ['websocket\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 13', 'h2c\r\nhttp2-settings: AAMAAABkAAQAAP__']) {
      const text = await rawExchange(mirror.url, `GET /v2/ HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade, http2-settings, close\r\nupgrade: ${upgrade}\r\n\r\n`)
      const { body, headers } = parseAnswer(text)
      assert.deepEqual([text.split('\r\n')[0], body, headers.get('upgrade')], ['HTTP/1.1 200 OK', '{}', undefined], upgrade)
    }
    assert.equal(parseAnswer(await rawExchange(mirror.url, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')).status, 400)
  })
})

describe('credentials that a mirror refuses', () => {
  const secret = 'canary-4711'
  const encoded = Buffer.from(`me:${secret}`).toString('base64')

  function capture(): { logger: Logger; lines: string[] } {
    const lines: string[] = []
    const say = (message: string, facts?: object): unknown => lines.push(`${message} ${inspect(facts, { depth: 10 })}`)
    return { logger: { debug: say, info: say, warn: say }, lines }
  }

  const bad: [name: string, value: string][] = [
    ['16 KiB', `Basic ${encoded}${'A'.repeat(16 * 1024)}`],
    ['malformed base64', `Basic %%%${secret}%%%`],
    ['no colon', `Basic ${Buffer.from(secret).toString('base64')}`],
    ['another scheme', `Canary ${secret}`],
    ['no scheme', secret],
    ['no value', 'Bearer'],
    ['a line feed', `Basic ${encoded}\n${secret}`],
    ['a folded line', `Basic ${encoded}\r\n ${secret}`],
    ['a NUL', `Basic ${encoded}\0${secret}`],
    ['what is no ASCII', `Bearer ${secret}\xe9`],
  ]

  test('P28: malformed ones are in no answer, in no log, and nowhere else', async () => {
    await using origin = await embeddedOrigin({ auth: { scheme: 'basic', username: 'me', password: 'other' } })
    await using nodes = new TestNodes()
    const { logger, lines } = capture()
    const { mirror } = await mirrorOf(nodes, origin, { node: { logger }, mirror: { auth: 'passthrough', logger } })
    const said = [secret, encoded, Buffer.from(secret).toString('base64')]
    for (const [name, value] of bad) {
      const { status, code, body } = await ask(mirror.url, '/v2/a/manifests/x', { headers: `authorization: ${value}\r\n` })
      assert.ok(status === 400 && code !== undefined, `${name} is answered by ${status} ${body}`)
      assert.ok(said.every((text) => !body.includes(text)), body)
    }
    assert.equal(origin.requests().total, 0)
    const wrong = await ask(mirror.url, '/v2/a/manifests/x', { headers: `authorization: Basic ${encoded}\r\n` })
    assert.deepEqual([wrong.status, wrong.code], [401, 'UNAUTHORIZED'])
    assert.ok(said.every((text) => !wrong.body.includes(text)))
    await mirror.close()
    logger.debug('said')
    assert.deepEqual(lines.filter((line) => said.some((text) => line.includes(text))), [])
    assert.ok(lines.length > 0)
  })

  test('P28: where nobody\'s count, they are neither read nor handed on', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const { logger, lines } = capture()
    origin.fault('/v2/', { status: 500 })
    const { mirror } = await mirrorOf(nodes, origin, { node: { logger }, mirror: { logger } })
    const answer = await ask(mirror.url, '/v2/a/manifests/x', { headers: `authorization: Basic ${encoded}\r\n` })
    assert.deepEqual([answer.status, answer.code], [502, 'UNAVAILABLE'])
    assert.deepEqual(origin.seen().map(({ headers }) => headers['authorization']), [undefined])
    await mirror.close()
    assert.deepEqual(lines.filter((line) => line.includes(secret) || line.includes(encoded)), [])
  })
})
