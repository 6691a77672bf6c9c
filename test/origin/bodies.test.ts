import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { FakeRegistry, send, wrongContent } from './fake-registry.ts'
import { Pull } from './pull.ts'

const kib = 1024
const mib = 1024 * kib
const content = seededContent(1, 3 * mib + 17)
const { digest, sizeBytes } = content

describe('an origin whose bodies are wrong', () => {
  test('O1: one that closes half-way is resumed by ranges of the same version', async () => {
    await using registry = await FakeRegistry.open()
    registry.addBlob(content)
    registry.misbehave(digest, ({ count, serve, serveHalf }) => (count === 1 ? serveHalf : serve)(content, { etag: '"v1"' }))
    await using pull = await Pull.open([registry], [content])
    const blob = await pull.layer(registry, content)
    assert.equal(blob.stats.bytes.origin, sizeBytes)
    await pull.exact(blob, content)
    const resumed = registry.asked(digest).find(({ headers }) => headers['if-range'] === '"v1"')
    assert.match(String(resumed?.headers.range), /^bytes=[1-9]\d*-/)
    assert.ok(pull.lines.some((line) => line.includes('ERR_ORIGIN_TRUNCATED')), 'the log names the failure')
    await pull.innocent()
  })

  test('O1: one that closes each time is tried five times by one read', async () => {
    await using registry = await FakeRegistry.open()
    registry.misbehave(digest, ({ response }) => {
      response.writeHead(200, { 'content-length': sizeBytes }).write('short', () => response.destroy())
    })
    await using pull = await Pull.open([registry], [content])
    const origin = pull.node.resolver.blobOrigin(`${registry.host}/team/app`, digest, sizeBytes)
    const read = async (): Promise<void> => {
      for await (const chunk of (await origin.read(undefined)).chunks) assert.ok(chunk.byteLength > 0)
    }
    await pull.fails(pull.clock.skipping(read()), 'ERR_ORIGIN_TRUNCATED')
    assert.equal(registry.asked(digest).length, 5)
    await pull.fails(pull.layer(registry, content), 'ERR_ORIGIN_TRUNCATED')
    assert.equal(await pull.isStored(content), false)
    await pull.innocent()
  })

  test('O2: one that promises a body and sends none is asked again', async () => {
    await using registry = await FakeRegistry.open()
    registry.addBlob(content)
    registry.misbehave(digest, ({ response, count, serve }) => {
      if (count > 2) return serve()
      response.writeHead(200, { 'content-length': sizeBytes }).flushHeaders()
      setImmediate(() => response.destroy())
    })
    await using pull = await Pull.open([registry], [content])
    await pull.exact(await pull.layer(registry, content), content)
    assert.ok(pull.lines.some((line) => line.includes('ERR_ORIGIN_TRUNCATED')), 'the log names the failure')
    await pull.innocent()
  })

  test('O2: one that never sends its body leaves the blob to peers, and is the reason where there are none', async () => {
    const held = seededContent(2, 2 * mib)
    await using registry = await FakeRegistry.open()
    registry.misbehave('/blobs/', ({ response }) => {
      response.writeHead(200, { 'content-length': sizeBytes }).flushHeaders()
      setImmediate(() => response.destroy())
    })
    await using pull = await Pull.open([registry], [content, held], { peerHas: [held] })
    const blob = await pull.layer(registry, held)
    assert.equal(blob.stats.bytes.peers, held.sizeBytes)
    await pull.exact(blob, held)
    await pull.fails(pull.layer(registry, content), 'ERR_ORIGIN_TRUNCATED')
    assert.equal(await pull.isStored(content), false)
    await pull.innocent()
  })

  test('O3: a body longer than its Content-Length is cut there, and its connection is not used again', async () => {
    const small = seededContent(3, 5000)
    await using registry = await FakeRegistry.open()
    registry.misbehave(small.digest, ({ response }) => {
      response.socket?.write(`HTTP/1.1 200 OK\r\ncontent-length: ${small.sizeBytes}\r\n\r\n`)
      response.socket?.write(Buffer.concat([small.read({ offset: 0, length: small.sizeBytes }), Buffer.from('and more')]))
    })
    await using pull = await Pull.open([registry], [small])
    await pull.exact(await pull.layer(registry, small), small)
    assert.equal(registry.connectionCount, 1)
    await pull.fails(pull.image(registry), 'ERR_ORIGIN_NOT_FOUND')
    assert.equal(registry.connectionCount, 2)
    await pull.innocent()
  })

  for (const [what, headers] of [
    ['says so', { 'content-length': String(sizeBytes + 1) }],
    ['does not say', { 'transfer-encoding': 'chunked' }],
  ] as const) {
    test(`O3: a body longer than its descriptor is refused where the origin ${what}, and its connection is broken`, async () => {
      await using registry = await FakeRegistry.open()
      let closed = 0
      registry.misbehave(digest, ({ request, response }) => {
        request.socket.once('close', () => closed++)
        response.writeHead(200, headers)
        send(response, content, 0, sizeBytes, () => response.write('x'))
      })
      await using pull = await Pull.open([registry], [content])
      await pull.fails(pull.layer(registry, content), 'ERR_ORIGIN_SIZE')
      assert.equal(await pull.isStored(content), false)
      while (closed < registry.asked(digest).length) await new Promise(setImmediate)
      await pull.innocent()
    })
  }

  test('O4: wrong bytes that come once are healed unseen', async () => {
    await using registry = await FakeRegistry.open()
    registry.addBlob(content)
    registry.misbehave(digest, ({ count, serve }) => serve(count === 1 ? wrongContent(content) : content))
    await using pull = await Pull.open([registry], [content])
    await pull.exact(await pull.layer(registry, content), content)
    assert.ok(pull.node.explain(digest).events.some(({ type }) => type === 'blob:mismatched'))
    await pull.innocent()
  })

  test('O4: wrong bytes of the origin are no peer’s fault, who gave the other half', async () => {
    await using registry = await FakeRegistry.open()
    registry.addBlob(content)
    registry.misbehave(digest, ({ count, serve }) => serve(count === 1 ? wrongContent(content) : content))
    await using pull = await Pull.open([registry], [content])
    const started = pull.layer(registry, content)
    await pull.exact(await started, content)
    await pull.exact(await pull.peer.fetchLayer({ digest, size: sizeBytes }), content)
    await pull.innocent()
  })

  test('O5: wrong bytes each time end in an error that says so; nothing is kept, and the origin is left alone for half a minute', async () => {
    await using registry = await FakeRegistry.open()
    registry.misbehave(digest, ({ serve }) => serve(wrongContent(content)))
    await using pull = await Pull.open([registry], [content])
    const failure = await pull.fails(pull.layer(registry, content), 'ERR_ORIGIN_DIGEST')
    assert.equal(failure.name, 'DigestMismatchError')
    assert.equal(await pull.isStored(content), false)
    const asked = registry.asked(digest).length
    assert.ok(asked <= 4, `asked ${asked} times`)
    await pull.fails(pull.layer(registry, content), 'ERR_ORIGIN_DIGEST')
    assert.equal(registry.asked(digest).length, asked)
    await pull.innocent()
  })

  test('O5: a reader never sees the end of a stream of wrong bytes', async () => {
    await using registry = await FakeRegistry.open()
    registry.misbehave(digest, ({ serve }) => serve(wrongContent(content)))
    await using pull = await Pull.open([registry], [content])
    const origin = pull.node.resolver.blobOrigin(`${registry.host}/team/app`, digest, sizeBytes)
    let seen = 0
    const read = async (): Promise<void> => {
      for await (const chunk of pull.node.streamLayer({ digest, size: sizeBytes, origin })) seen += chunk.byteLength
    }
    await pull.fails(pull.clock.skipping(read()), 'ERR_ORIGIN_DIGEST')
    assert.ok(seen < sizeBytes, `${seen} of ${sizeBytes} bytes were handed out`)
    await pull.innocent()
  })

  test('O9: an encoded blob is refused undecoded', async () => {
    await using registry = await FakeRegistry.open()
    registry.addBlob(content)
    registry.misbehave(digest, ({ serve }) => serve(content, { 'content-encoding': 'gzip' }))
    await using pull = await Pull.open([registry], [content])
    await pull.fails(pull.layer(registry, content), 'ERR_ORIGIN_ENCODING')
    assert.equal(registry.asked(digest)[0]?.headers['accept-encoding'], 'identity')
    assert.equal(await pull.isStored(content), false)
    await pull.innocent()
  })

  test('O25: a body of a byte a second is given up after thirty seconds', async () => {
    await using registry = await FakeRegistry.open()
    registry.misbehave(digest, ({ response }) => {
      response.writeHead(200, { 'content-length': sizeBytes }).write('x')
    })
    await using pull = await Pull.open([registry], [content])
    const origin = pull.node.resolver.blobOrigin(`${registry.host}/team/app`, digest, sizeBytes)
    const read = async (): Promise<void> => {
      for await (const chunk of (await origin.read(undefined)).chunks) assert.ok(chunk.byteLength > 0)
    }
    const failed = pull.fails(read(), 'ERR_ORIGIN_TIMEOUT')
    while (registry.seen.length === 0) await new Promise(setImmediate)
    await pull.clock.reached(30_000)
    pull.clock.advance(29_999)
    assert.ok(pull.clock.timerCount > 0)
    pull.clock.advance(1)
    await failed
    // Waiting for it again would not help.
    assert.equal(registry.seen.length, 1)
    await pull.innocent()
  })

  test('O25: the rest of a body that is too slow comes from another source', async () => {
    await using slow = await FakeRegistry.open()
    await using registry = await FakeRegistry.open()
    registry.addBlob(content)
    slow.misbehave(digest, ({ response }) => {
      response.writeHead(200, { 'content-length': sizeBytes }).write(content.read({ offset: 0, length: 100 }))
    })
    await using pull = await Pull.open([slow, registry], [content], { settings: { mirrors: [slow.url] } })
    const body = await pull.node.resolver.blobOrigin(`${registry.host}/team/app`, digest, sizeBytes).read(undefined)
    const reading = pull.exactly(body.chunks, content)
    await pull.clock.reached(30_000)
    pull.clock.advance(30_000)
    await pull.clock.skipping(reading)
    assert.equal(registry.asked(digest)[0]?.headers.range, `bytes=100-${sizeBytes - 1}`)
    assert.ok(pull.lines.some((line) => line.includes('ERR_ORIGIN_TIMEOUT')), 'the log names the failure')
    await pull.innocent()
  })
})
