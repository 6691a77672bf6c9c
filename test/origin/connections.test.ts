import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { testCertificate } from '../oci/certificate.ts'
import { serveRaw, type TestServer } from '../oci/servers.ts'
import { FakeRegistry } from './fake-registry.ts'
import { publicRegistry } from './public-registry.ts'
import { Pull, type PullOptions } from './pull.ts'

const content = seededContent(71, 3000)
const held = seededContent(72, 2_000_000)
const bytes = Buffer.from(content.read({ offset: 0, length: content.sizeBytes }))
const ok = `HTTP/1.1 200 OK\r\ncontent-length: ${bytes.byteLength}\r\n`

/** What such an origin comes to: it is given up within ten seconds, and a blob that a peer has comes all the same. */
async function isUnavailable(registry: Pick<TestServer, 'host'>, options: PullOptions = {}): Promise<Pull> {
  const pull = await Pull.open([registry], [content, held], { peerHas: [held], ...options })
  const before = pull.clock.monotonicMs()
  const origin = pull.node.resolver.blobOrigin(`${registry.host}/team/app`, content.digest, content.sizeBytes)
  await pull.fails(pull.clock.skipping(origin.read(undefined)), 'ERR_ORIGIN_UNAVAILABLE')
  assert.ok(pull.clock.monotonicMs() - before <= 10_000)
  await pull.exact(await pull.layer(registry, held), held)
  return pull
}

describe('an origin that speaks no HTTP that we want to hear', () => {
  for (const [what, headers] of [
    ['64 KiB of headers', `x-long: ${'y'.repeat(65_536)}\r\n`],
    ['a thousand warnings', `warning: 299 - "${'w'.repeat(50)}"\r\n`.repeat(1000)],
  ] as const) {
    test(`O20: ${what} are no answer, and do not fill the log`, async () => {
      await using server = await serveRaw((socket) => socket.end(`${ok}${headers}\r\n${bytes.toString('latin1')}`, 'latin1'))
      await using pull = await isUnavailable(server)
      assert.ok(pull.lines.length > 0)
      assert.equal(pull.lines.some((line) => line.includes('wwwwwwww') || line.includes('yyyyyyyy')), false)
      await pull.innocent()
    })
  }

  for (const [what, answer] of [
    ['a length and chunks', `${ok}transfer-encoding: chunked\r\n\r\n`],
    ['two different lengths', `${ok}content-length: 1\r\n\r\n`],
    ['a folded header', `${ok}x-folded: a\r\n b\r\ntransfer-\r\n encoding: chunked\r\n\r\n`],
    ['a header without a name', `${ok}: x\r\n\r\n`],
    ['a space before a colon', `${ok}transfer-encoding : chunked\r\n\r\n`],
    ['100 Continue without end', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(1000)],
    ['no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['TLS where plain HTTP was asked for', '\u0015\u0003\u0001\u0000\u0002\u0002\u0016'],
  ] as const) {
    test(`O27: ${what} is no answer, and the connection is not used again`, async () => {
      await using server = await serveRaw((socket) => {
        socket.write(answer, 'latin1')
        socket.write(bytes)
        // What a next answer on the same connection would say.
        socket.write(`${ok}\r\n`)
        socket.write(bytes.map((byte) => ~byte))
        socket.end()
      })
      await using pull = await isUnavailable(server)
      assert.ok(server.connectionCount >= 2)
      await pull.innocent()
    })
  }

  test('O27: 103 Early Hints without end are given up', async () => {
    await using server = await serveRaw((socket) => {
      const more = (): void => void socket.write('HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n', (error) => {
        if (!error) setImmediate(more)
      })
      more()
    })
    await using pull = await Pull.open([server], [content])
    await pull.fails(pull.layer(server, content), 'ERR_ORIGIN_TIMEOUT')
    await pull.innocent()
  })

  test('O27: a second answer that comes unasked is given to nobody', async () => {
    await using server = await serveRaw((socket) => {
      socket.write(`${ok}\r\n`)
      socket.write(Buffer.concat([bytes, Buffer.from(`${ok}\r\n`), bytes.map((byte) => ~byte)]))
    })
    await using pull = await Pull.open([server], [content])
    await pull.exact(await pull.layer(server, content), content)
    const origin = pull.node.resolver.blobOrigin(`${server.host}/team/app`, content.digest, content.sizeBytes)
    await pull.exactly((await origin.read(undefined)).chunks, content)
    assert.equal(server.connectionCount, 2)
    await pull.innocent()
  })
})

describe('an origin that cannot be reached', () => {
  test('O23: is the reason why a pull fails for which there is nobody else', async () => {
    await using registry = await FakeRegistry.open({ certificate: testCertificate('127.0.0.1'), address: '127.0.0.1' })
    await using pull = await Pull.open([registry], [content], { settings: { insecure: false }, nodeOnClock: true })
    await pull.fails(pull.layer(registry, content), 'ERR_ORIGIN_UNAVAILABLE')
    assert.equal(await pull.isStored(content), false)
  })

  for (const [what, certificate] of [
    ['has expired', testCertificate('127.0.0.1', '20200101000000Z', '20200102000000Z')],
    ['is for another host', testCertificate('other.example')],
  ] as const) {
    test(`O23: for its certificate ${what}, is sent nothing`, async () => {
      await using registry = await FakeRegistry.open({ certificate, address: '127.0.0.1' })
      const auth = { username: 'user', password: 'canary-password' }
      await using pull = await isUnavailable(registry, { settings: { insecure: false, ca: certificate.cert, auth } })
      assert.deepEqual(registry.seen, [])
      await pull.innocent()
    })
  }

  test('O23: for nobody vouches for its certificate, is sent nothing', async () => {
    await using registry = await FakeRegistry.open({ certificate: testCertificate('127.0.0.1'), address: '127.0.0.1' })
    await using pull = await isUnavailable(registry, { settings: { insecure: false } })
    assert.deepEqual(registry.seen, [])
    await pull.innocent()
  })

  test('O23: for it never ends its handshake, is given up after ten seconds', async () => {
    await using server = await serveRaw(() => {})
    await using pull = await Pull.open([server], [content, held], { peerHas: [held], settings: { insecure: false } })
    const origin = pull.node.resolver.blobOrigin(`${server.host}/team/app`, content.digest, content.sizeBytes)
    const before = pull.clock.monotonicMs()
    const failed = pull.fails(origin.read(undefined), 'ERR_ORIGIN_UNAVAILABLE')
    while (server.connectionCount === 0) await new Promise(setImmediate)
    await pull.clock.reached(10_000)
    await pull.exact(await pull.layerInTime(server, held), held)
    pull.clock.advance(10_000)
    await failed
    assert.equal(pull.clock.monotonicMs() - before, 10_000)
    assert.equal(server.connectionCount, 1)
    await pull.innocent()
  })

  test('O23: for its name is nobody’s, is unavailable', async () => {
    await using pull = await isUnavailable({ host: 'does-not-exist.invalid' }, { settings: { insecure: false } })
    await pull.innocent()
  })

  test('O23: for its name takes for ever to be looked up, is given up after ten seconds', async () => {
    await using pull = await Pull.open([], [content])
    const { origin, close } = publicRegistry({ url: 'http://slow.example', clock: pull.clock, names: { 'slow.example': () => undefined } })
    const before = pull.clock.monotonicMs()
    const failed = pull.fails(origin(content).read(undefined), 'ERR_ORIGIN_UNAVAILABLE')
    await pull.clock.reached(10_000)
    pull.clock.advance(10_000)
    await failed
    assert.equal(pull.clock.monotonicMs() - before, 10_000)
    await close()
    await pull.innocent()
  })
})
