import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'vitest'
import type { AddressScope } from '../../src/oci/address-scope.ts'
import { HttpClient } from '../../src/oci/http-client.ts'
import { Secret } from '../../src/core/secret.ts'
import { testCertificate } from './certificate.ts'
import { ManualClock } from './manual-clock.ts'
import { serveHttp, serveRaw } from './servers.ts'

const mib = 1024 * 1024

let clock: ManualClock
let client: HttpClient
beforeEach(() => {
  clock = new ManualClock()
  client = new HttpClient({ clock })
})
afterEach(async () => {
  await client.close()
  assert.equal(clock.timerCount, 0)
})

async function textAt(url: string): Promise<string> {
  return new TextDecoder().decode(await (await client.send({ url: new URL(url) })).bytes(mib))
}

describe('HttpClient', () => {
  test('gives status, headers and the body as they are', async () => {
    await using server = await serveHttp((_, response) => response.writeHead(418, { 'x-a': 'b' }).end('short and stout'))
    const response = await client.send({ url: new URL(`${server.url}/a?b=c`) })
    assert.equal(response.status, 418)
    assert.equal(response.header('x-a'), 'b')
    assert.equal(new TextDecoder().decode(await response.bytes(100)), 'short and stout')
    assert.deepEqual(server.asked, ['/a?b=c'])
  })

  test('asks for the identity encoding, whatever the caller asks', async () => {
    await using server = await serveHttp((request, response) => response.end(request.headers['accept-encoding']))
    const response = await client.send({ url: new URL(server.url), headers: { 'accept-encoding': 'gzip' } })
    assert.equal(new TextDecoder().decode(await response.bytes(100)), 'identity')
  })

  test('connections are used again after a body was read or discarded', async () => {
    await using server = await serveHttp((_, response) => response.end('x'.repeat(1000)))
    for (let count = 0; count < 10; count++) {
      await textAt(server.url)
      await (await client.send({ url: new URL(server.url) })).discard()
    }
    // Two, for undici may open a second one in the moment before it takes the first for idle.
    assert.ok(server.connectionCount <= 2, `${server.connectionCount} connections`)
  })

  test('a body that is too long is cut off, and its connection with it', async () => {
    await using server = await serveHttp((_, response) => {
      response.on('close', () => clearInterval(timer))
      const timer = setInterval(() => response.write('x'.repeat(100_000)), 1)
    })
    const response = await client.send({ url: new URL(server.url) })
    await assert.rejects(response.bytes(mib), { code: 'ERR_ORIGIN_SIZE' })
    await response.closed
  })

  test('a body that breaks off is truncated', async () => {
    await using server = await serveHttp((_, response) => {
      response.writeHead(200, { 'content-length': 10 }).write('12345')
      setImmediate(() => response.destroy())
    })
    await assert.rejects(textAt(server.url), { code: 'ERR_ORIGIN_TRUNCATED', retryable: true })
  })

  test('a chunked body that breaks off is truncated', async () => {
    await using server = await serveRaw((socket) => {
      socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n')
    })
    await assert.rejects(textAt(server.url), { code: 'ERR_ORIGIN_TRUNCATED' })
  })

  test('an encoded body is refused undecoded', async () => {
    await using server = await serveHttp((_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('bomb'))
    await assert.rejects(textAt(server.url), { code: 'ERR_ORIGIN_ENCODING' })
  })

  test('thousands of chained encodings are refused', async () => {
    await using server = await serveHttp((_, response) => {
      response.writeHead(200, { 'content-encoding': Array.from({ length: 5000 }, () => 'gzip').join(',') }).end('bomb')
    })
    await assert.rejects(textAt(server.url), { code: 'ERR_ORIGIN_ENCODING' })
  })

  test('the encoding "identity" is none', async () => {
    await using server = await serveHttp((_, response) => response.writeHead(200, { 'content-encoding': 'identity' }).end('plain'))
    assert.equal(await textAt(server.url), 'plain')
  })

  for (const [what, answer] of [
    ['64 KiB of headers', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(65_536)}\r\ncontent-length: 0\r\n\r\n`],
    ['a thousand warnings', `HTTP/1.1 200 OK\r\n${`warning: 299 - "${'w'.repeat(50)}"\r\n`.repeat(1000)}content-length: 0\r\n\r\n`],
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab'],
    ['a length and chunks', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n'],
    ['a folded header', 'HTTP/1.1 200 OK\r\nx: a\r\n b\r\nContent\r\n -Length: 1\r\n\r\na'],
    ['100 Continue for ever', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(100)],
    ['no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['nothing', ''],
  ] as const) {
    test(`${what} are no answer, and the connection is not used again`, async () => {
      await using server = await serveRaw((socket) => socket.end(answer))
      await assert.rejects(textAt(server.url), { code: 'ERR_ORIGIN_UNAVAILABLE' })
      await assert.rejects(textAt(server.url), { code: 'ERR_ORIGIN_UNAVAILABLE' })
      assert.equal(server.connectionCount, 2)
    })
  }

  test('early hints without end are no answer', async () => {
    await using server = await serveRaw((socket) => {
      const timer = setInterval(() => socket.write('HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n'), 1)
      socket.on('close', () => clearInterval(timer))
    })
    await assert.rejects(textAt(server.url), { code: 'ERR_ORIGIN_TIMEOUT' })
  })

  test('a body longer than its length is cut, and the connection is not used again', async () => {
    await using server = await serveRaw((socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nabHTTP/1.1 200 OK\r\n\r\n'))
    assert.equal(await textAt(server.url), 'ab')
    assert.equal(await textAt(server.url), 'ab')
    assert.equal(server.connectionCount, 2)
  })
})

describe('HttpClient and time', () => {
  test('no answer within thirty seconds is a time-out', async () => {
    await using server = await serveHttp(() => {})
    const rejected = assert.rejects(textAt(server.url), { code: 'ERR_ORIGIN_TIMEOUT', retryable: true })
    await clock.reached(30_000)
    clock.advance(29_999)
    assert.equal(clock.timerCount, 1)
    clock.advance(1)
    await rejected
  })

  test('a body of one byte a second is given up after thirty seconds', async () => {
    await using server = await serveHttp((_, response) => void response.writeHead(200, { 'content-length': 1000 }).write('x'))
    const rejected = assert.rejects(textAt(server.url), { code: 'ERR_ORIGIN_TIMEOUT' })
    while (server.asked.length === 0) await new Promise(setImmediate)
    await clock.reached(30_000)
    clock.advance(30_000)
    await rejected
  })

  test('a reader that takes its time is no fault of the sender', async () => {
    await using server = await serveHttp((_, response) => response.end('x'.repeat(200_000)))
    const response = await client.send({ url: new URL(server.url) })
    let length = 0
    for await (const chunk of response.chunks()) {
      length += chunk.byteLength
      clock.advance(3_600_000)
    }
    assert.equal(length, 200_000)
  })

  test('aborting before the answer rejects with the reason', async () => {
    await using server = await serveHttp(() => {})
    const controller = new AbortController()
    const rejected = assert.rejects(client.send({ url: new URL(server.url), signal: controller.signal }), /enough/)
    await clock.reached(30_000)
    controller.abort(Object.assign(new Error('enough'), { code: 'ECONNRESET' }))
    await rejected
  })

  test('aborting amid the body rejects with the reason', async () => {
    await using server = await serveHttp((_, response) => void response.writeHead(200, { 'content-length': 10 }).write('x'))
    const controller = new AbortController()
    const response = await client.send({ url: new URL(server.url), signal: controller.signal })
    const chunks = response.chunks()
    await chunks.next()
    const rejected = assert.rejects(chunks.next(), /enough/)
    controller.abort(Object.assign(new Error('enough'), { code: 'ECONNRESET' }))
    await rejected
  })

  test('aborting after the answer, before anybody reads, frees the connection', async () => {
    await using server = await serveHttp((_, response) => void response.writeHead(200, { 'content-length': 10 }).write('x'))
    const controller = new AbortController()
    const response = await client.send({ url: new URL(server.url), signal: controller.signal })
    controller.abort()
    await response.closed
  })

  test('closing the client ends requests under way', async () => {
    await using server = await serveHttp(() => {})
    const rejected = assert.rejects(textAt(server.url), { code: 'ERR_SWARM_CLOSED' })
    while (server.asked.length === 0) await new Promise(setImmediate)
    await client.close()
    await rejected
  })
})

describe('HttpClient and redirects', () => {
  const authorization = new Secret('Bearer canary')

  test('credentials go to the host they are for, and not to the one it redirects to', async () => {
    await using cdn = await serveHttp((request, response) => response.end(JSON.stringify(request.headers)))
    await using server = await serveHttp((request, response) => {
      assert.equal(request.headers.authorization, 'Bearer canary')
      response.writeHead(307, { location: `${cdn.url}/blob?sig=1` }).end()
    })
    const headers = { cookie: 'canary', 'x-custom': 'canary', range: 'bytes=1-' }
    const response = await client.send({ url: new URL(server.url), headers, authorization })
    const seen = new TextDecoder().decode(await response.bytes(mib))
    assert.equal(seen.includes('canary'), false)
    assert.equal(JSON.parse(seen).range, 'bytes=1-')
    assert.equal(response.url.href, `${cdn.url}/blob?sig=1`)
  })

  test('a circle of redirects ends', async () => {
    await using server = await serveHttp((_, response) => response.writeHead(302, { location: '/again' }).end())
    await assert.rejects(textAt(server.url), { code: 'ERR_ORIGIN_REDIRECT' })
    assert.equal(server.asked.length, 6)
  })

  test('a POST is not redirected', async () => {
    await using server = await serveHttp((_, response) => response.writeHead(307, { location: '/again' }).end())
    await assert.rejects(client.send({ url: new URL(server.url), form: new Secret('refresh_token=canary') }), { code: 'ERR_ORIGIN_REDIRECT' })
    assert.equal(server.asked.length, 1)
  })

  describe('from the public network', () => {
    // 127.0.0.2 plays a public address: nothing else on this machine can.
    const scopeOf = (address: string): AddressScope => (address === '127.0.0.2' ? 'public' : 'private')
    beforeEach(async () => {
      await client.close()
      client = new HttpClient({ clock, scopeOf })
    })

    for (const [what, host] of [
      ['an address', '127.0.0.1'],
      ['an odd spelling of one', '0x7f000001'],
      ['a name', 'localhost'],
    ] as const) {
      test(`a redirect to ${what} inside our own is not even connected to`, async () => {
        await using inside = await serveHttp((_, response) => response.end('secret'))
        await using outside = await serveHttp((_, response) => response.writeHead(302, { location: `http://${host}:${inside.port}/` }).end(), {
          address: '127.0.0.2',
        })
        await assert.rejects(textAt(outside.url), { code: 'ERR_ORIGIN_REDIRECT' })
        assert.equal(inside.connectionCount, 0)
      })
    }

    test('a redirect to a public address is followed', async () => {
      await using cdn = await serveHttp((_, response) => response.end('blob'), { address: '127.0.0.2' })
      await using outside = await serveHttp((_, response) => response.writeHead(302, { location: cdn.url }).end(), { address: '127.0.0.2' })
      assert.equal(await textAt(outside.url), 'blob')
    })

    test('a way through the public network does not lead back in', async () => {
      await using inside = await serveHttp((_, response) => response.end('secret'))
      await using outside = await serveHttp((_, response) => response.writeHead(302, { location: inside.url }).end(), { address: '127.0.0.2' })
      await using start = await serveHttp((_, response) => response.writeHead(302, { location: outside.url }).end())
      await assert.rejects(textAt(start.url), { code: 'ERR_ORIGIN_REDIRECT' })
      assert.equal(inside.connectionCount, 0)
    })

    test('a registry inside our network may redirect inside', async () => {
      await using storage = await serveHttp((_, response) => response.end('blob'))
      await using start = await serveHttp((_, response) => response.writeHead(302, { location: storage.url }).end())
      assert.equal(await textAt(start.url), 'blob')
    })

    test('an address that somebody else chose is refused at the first hop when it is inside', async () => {
      await using inside = await serveHttp((_, response) => response.end('secret'))
      await assert.rejects(client.send({ url: new URL(inside.url), onlyPublic: true }), { code: 'ERR_ORIGIN_REDIRECT' })
      assert.equal(inside.connectionCount, 0)
    })
  })
})

describe('HttpClient and TLS', () => {
  const certificate = testCertificate('127.0.0.1')
  const hello = { certificate, address: '127.0.0.1' }

  test('a certificate that nobody vouches for is refused', async () => {
    await using server = await serveHttp((_, response) => response.end('hello'), hello)
    await assert.rejects(textAt(server.url), { code: 'ERR_ORIGIN_UNAVAILABLE' })
    assert.deepEqual(server.asked, [])
  })

  async function readWith(trust: { ca?: string; insecure?: boolean }, server: { url: string; host: string }): Promise<string> {
    await client.close()
    client = new HttpClient({ clock, trust: new Map([[server.host, trust]]) })
    return textAt(server.url)
  }

  test('one that the given authority vouches for is accepted', async () => {
    await using server = await serveHttp((_, response) => response.end('hello'), hello)
    assert.equal(await readWith({ ca: certificate.cert }, server), 'hello')
  })

  test('an authority vouches for its own host only', async () => {
    await using server = await serveHttp((_, response) => response.end('hello'), hello)
    await client.close()
    client = new HttpClient({ clock, trust: new Map([['other.example', { ca: certificate.cert }]]) })
    await assert.rejects(textAt(server.url), { code: 'ERR_ORIGIN_UNAVAILABLE' })
  })

  for (const [what, wrong] of [
    ['for another host', testCertificate('other.example')],
    ['that has expired', testCertificate('127.0.0.1', '20200101000000Z', '20200102000000Z')],
  ] as const) {
    test(`one ${what} is refused even so, and accepted where the host is insecure`, async () => {
      await using server = await serveHttp((_, response) => response.end('hello'), { certificate: wrong })
      await assert.rejects(readWith({ ca: wrong.cert }, server), { code: 'ERR_ORIGIN_UNAVAILABLE' })
      assert.equal(await readWith({ insecure: true }, server), 'hello')
    })
  }

  test('HTTPS does not redirect to plain HTTP', async () => {
    await using plain = await serveHttp((_, response) => response.end('hello'))
    await using server = await serveHttp((_, response) => response.writeHead(302, { location: plain.url }).end(), hello)
    await assert.rejects(readWith({ insecure: true }, server), { code: 'ERR_ORIGIN_REDIRECT' })
    assert.equal(plain.connectionCount, 0)
  })

  test('a host that does not exist, and one that refuses, are unavailable', async () => {
    await assert.rejects(textAt('https://does-not-exist.invalid/'), { code: 'ERR_ORIGIN_UNAVAILABLE' })
    const { url } = await serveHttp(() => {}).then(async (server) => {
      await server[Symbol.asyncDispose]()
      return server
    })
    await assert.rejects(textAt(url), { code: 'ERR_ORIGIN_UNAVAILABLE' })
  })
})
