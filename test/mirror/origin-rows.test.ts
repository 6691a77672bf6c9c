import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { testImage } from '../../src/testing/test-image.ts'
import { FakeRegistry, send, wrongContent, type Visit } from '../origin/fake-registry.ts'
import { contentsOf } from '../origin/pull.ts'
import { OriginClient } from './origin-client.ts'

const mib = 1024 * 1024
const image = testImage({ seed: 81, layerSizes: [2 * mib + 17] })
const content = contentsOf(image)[1] ?? assert.fail()
const { digest, sizeBytes } = content
/** More than what is verified before its first byte leaves. */
const largeImage = testImage({ seed: 82, layerSizes: [72 * mib] })
const large = contentsOf(largeImage)[1] ?? assert.fail()

/** Says how long the body is, and breaks off. */
function leaveOutBody({ response }: Visit): void {
  response.writeHead(200, { 'content-length': sizeBytes }).flushHeaders()
  setImmediate(() => response.destroy())
}

describe('a client of a mirror whose registry sends wrong bodies', () => {
  test('O1: gets a blob whole when the registry closes half-way', async () => {
    await using registry = await FakeRegistry.open()
    await using client = await OriginClient.withManifest(registry, image)
    registry.misbehave(digest, ({ count, serve, serveHalf }) => (count === 1 ? serveHalf : serve)())
    await client.whole(await client.blob(content), content)
    assert.ok(registry.asked(digest).length > 1)
  })

  test('O1: gets a large blob whole, through one answer, when the registry closes half-way', async () => {
    await using registry = await FakeRegistry.open()
    await using client = await OriginClient.withManifest(registry, largeImage)
    registry.misbehave(large.digest, ({ count, serve, serveHalf }) => (count <= 2 ? serveHalf : serve)())
    await client.clock.skipping(client.whole(await client.blob(large), large))
    assert.ok(registry.asked(large.digest).length > 2)
  })

  test('O1: gets 502 when the registry closes each time', async () => {
    await using registry = await FakeRegistry.open()
    await using client = await OriginClient.withManifest(registry, image, { nodeOnClock: true })
    registry.misbehave(digest, ({ response }) => {
      response.writeHead(200, { 'content-length': sizeBytes }).write('short', () => response.destroy())
    })
    await client.failed(await client.blob(content), 'ERR_ORIGIN_TRUNCATED')
    assert.equal(await client.isStored(content), false)
  })

  test('O2: gets a blob whole whose body the registry left out at first', async () => {
    await using registry = await FakeRegistry.open()
    await using client = await OriginClient.withManifest(registry, image)
    registry.misbehave(digest, (visit) => (visit.count > 2 ? visit.serve() : leaveOutBody(visit)))
    await client.whole(await client.blob(content), content)
    assert.ok(registry.asked(digest).length > 2)
  })

  test('O2: gets 502 when the body never comes, and what a peer has', async () => {
    for (const options of [{ nodeOnClock: true }, { peerHas: [content] }]) {
      await using registry = await FakeRegistry.open()
      await using client = await OriginClient.withManifest(registry, image, options)
      registry.misbehave('/blobs/', leaveOutBody)
      const answer = await client.blob(content)
      if (options.peerHas) await client.whole(answer, content)
      else await client.failed(answer, 'ERR_ORIGIN_TRUNCATED')
      assert.equal(await client.isStored(content), options.peerHas !== undefined)
    }
  })

  test('O3: gets no byte of what the registry sends beyond its Content-Length', async () => {
    await using registry = await FakeRegistry.open()
    await using client = await OriginClient.withManifest(registry, image)
    registry.misbehave(digest, ({ response }) => {
      response.socket?.write(`HTTP/1.1 200 OK\r\ncontent-length: ${sizeBytes}\r\n\r\n`)
      response.socket?.write(Buffer.concat([content.read({ offset: 0, length: sizeBytes }), Buffer.from('and more')]))
    })
    await client.whole(await client.blob(content), content)
  })

  for (const [what, headers] of [
    ['and says so', { 'content-length': String(sizeBytes + 1) }],
    ['and does not say', { 'transfer-encoding': 'chunked' }],
  ] as const) {
    test(`O3: gets 502 when the registry sends more than the descriptor allows ${what}`, async () => {
      await using registry = await FakeRegistry.open()
      await using client = await OriginClient.withManifest(registry, image)
      registry.misbehave(digest, ({ response }) => {
        response.writeHead(200, headers)
        send(response, content, 0, sizeBytes, () => response.write('x'))
      })
      await client.failed(await client.blob(content), 'ERR_ORIGIN_SIZE')
      assert.equal(await client.isStored(content), false)
    })
  }

  test('O3: gets 502 when a registry sends too much of a blob whose size nobody knows', async () => {
    await using registry = await FakeRegistry.open()
    await using client = await OriginClient.open(registry)
    registry.misbehave(digest, ({ response }) => {
      response.writeHead(200, { 'content-length': sizeBytes + 1 })
      send(response, content, 0, sizeBytes, () => response.end('x'))
    })
    await client.failed(await client.blob(content), 'ERR_ORIGIN_DIGEST')
    assert.equal(await client.isStored(content), false)
  })

  test('O4: gets a blob whole whose bytes were wrong once', async () => {
    await using registry = await FakeRegistry.open()
    await using client = await OriginClient.withManifest(registry, image)
    registry.misbehave(digest, ({ count, serve }) => serve(count === 1 ? wrongContent(content) : content))
    await client.whole(await client.blob(content), content)
    assert.ok(registry.asked(digest).length > 1)
  })

  test('O5: gets 502 when the bytes are wrong each time, and the blob once a peer has it', async () => {
    await using registry = await FakeRegistry.open()
    await using client = await OriginClient.withManifest(registry, image, { peerHas: [] })
    registry.misbehave(digest, ({ serve }) => serve(wrongContent(content)))
    for (const headers of [{}, { range: 'bytes=5-9' }]) {
      await client.failed(await client.blob(content, headers), 'ERR_ORIGIN_DIGEST')
      assert.equal(await client.isStored(content), false)
    }
    await client.peerGets(content)
    await client.whole(await client.blob(content), content)
  })

  test('O5: never gets the end of a large blob of wrong bytes', async () => {
    await using registry = await FakeRegistry.open()
    await using client = await OriginClient.withManifest(registry, largeImage)
    registry.misbehave(large.digest, ({ serve }) => serve(wrongContent(large)))
    const answer = await client.blob(large)
    assert.equal(answer.status, 200)
    let received = 0
    const read = async (): Promise<void> => {
      for await (const chunk of answer.body ?? []) received += chunk.byteLength
    }
    await assert.rejects(client.clock.skipping(read()))
    assert.ok(received > 0 && received < large.sizeBytes, `${received} of ${large.sizeBytes} bytes`)
    assert.equal(await client.isStored(large), false)
  })

  test('O9: gets 502 for an encoded blob', async () => {
    await using registry = await FakeRegistry.open()
    await using client = await OriginClient.withManifest(registry, image)
    registry.misbehave(digest, ({ serve }) => serve(content, { 'content-encoding': 'gzip' }))
    await client.failed(await client.blob(content, { 'accept-encoding': 'gzip' }), 'ERR_ORIGIN_ENCODING')
    assert.equal(await client.isStored(content), false)
  })
})

describe('a client of a mirror whose registry does no ranges', () => {
  for (const [what, answerRange] of [
    ['O6: the whole', undefined],
    ['O7: other bytes than were asked for', { 'content-range': `bytes 5-${sizeBytes - 1}/${sizeBytes}` }],
    ['O7: no Content-Range', {}],
    ['O7: several parts', { 'content-type': 'multipart/byteranges; boundary=x' }],
  ] as const) {
    test(`${what} for a range: gets parts and wholes all the same`, async () => {
      await using registry = await FakeRegistry.open()
      await using client = await OriginClient.open(registry)
      registry.addBlob(content)
      registry.misbehave(digest, ({ request, response, serve }) => {
        if (answerRange && request.headers.range) return void response.writeHead(206, answerRange).end('--x\r\n\r\nnot what was asked for\r\n--x--')
        delete request.headers.range
        serve()
      })
      const part = await client.blob(content, { range: `bytes=${mib}-${mib + 999}` })
      assert.deepEqual([part.status, part.headers.get('content-range')], [206, `bytes ${mib}-${mib + 999}/${sizeBytes}`])
      await client.bytes(part, content, mib, mib + 1000)
      await client.whole(await client.blob(content), content)
      assert.ok(registry.asked(digest).some(({ headers }) => headers.range !== undefined))
    })
  }

  test('O6: gets a blob whole that broke off and then came from the start', async () => {
    await using registry = await FakeRegistry.open()
    await using client = await OriginClient.withManifest(registry, image)
    registry.misbehave(digest, ({ request, count, serve, serveHalf }) => {
      if (count === 1) return serveHalf()
      delete request.headers.range
      serve()
    })
    await client.whole(await client.blob(content), content)
  })

  test('O7: gets 502 when every answer is some part', async () => {
    await using registry = await FakeRegistry.open()
    await using client = await OriginClient.withManifest(registry, image)
    registry.misbehave(digest, ({ response }) => void response.writeHead(206, { 'content-range': 'bytes 9-3/12' }).end('not that'))
    await client.failed(await client.blob(content), 'ERR_ORIGIN_SIZE')
    assert.equal(await client.isStored(content), false)
  })

  for (const [what, first, later] of [
    ['from wrong to right', wrongContent(content), content],
    ['from right to wrong', content, wrongContent(content)],
  ] as const) {
    test(`O8: gets none but right bytes of a blob that changes ${what} between two ranges`, async () => {
      await using registry = await FakeRegistry.open()
      await using client = await OriginClient.withManifest(registry, image)
      registry.misbehave(digest, ({ count, serve, serveHalf }) => (count === 1 ? serveHalf(first, { etag: '"old"' }) : serve(later, { etag: '"new"' })))
      const answer = await client.blob(content)
      if (later === content) return client.whole(answer, content)
      await client.failed(answer, 'ERR_ORIGIN_DIGEST')
      assert.equal(await client.isStored(content), false)
    })
  }
})
