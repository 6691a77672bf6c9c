import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { FakeRegistry, wrongContent } from './fake-registry.ts'
import { Pull } from './pull.ts'

const mib = 1024 * 1024
const content = seededContent(11, 3 * mib + 17)
const { digest, sizeBytes } = content

describe('an origin that does not know how to do ranges', () => {
  test('O6: one that answers with the whole is read up to the place, and is not asked for ranges again', async () => {
    await using registry = await FakeRegistry.open()
    registry.addBlob(content)
    registry.misbehave(digest, ({ request, serve }) => {
      delete request.headers.range
      serve()
    })
    await using pull = await Pull.open([registry], [content])
    const origin = pull.node.resolver.blobOrigin(`${registry.host}/team/app`, digest, sizeBytes)
    for (const offset of [mib, 2 * mib]) {
      const chunks: Uint8Array[] = []
      for await (const chunk of (await origin.read({ offset, length: 1000 })).chunks) chunks.push(chunk)
      assert.deepEqual(Buffer.concat(chunks), Buffer.from(content.read({ offset, length: 1000 })))
    }
    assert.deepEqual(registry.asked(digest).map(({ headers }) => headers.range !== undefined), [true, false])
    await pull.exact(await pull.layer(registry, content), content)
    await pull.innocent()
  })

  test('O6: one that breaks off and then sends the whole is read on from where it broke', async () => {
    await using registry = await FakeRegistry.open()
    registry.addBlob(content)
    registry.misbehave(digest, ({ request, count, serve, serveHalf }) => {
      if (count === 1) return serveHalf()
      delete request.headers.range
      serve()
    })
    await using pull = await Pull.open([registry], [content])
    await pull.exact(await pull.layer(registry, content), content)
    await pull.innocent()
  })

  for (const [what, status, headers] of [
    ['other bytes than were asked for', 206, { 'content-range': `bytes 5-${sizeBytes - 1}/${sizeBytes}` }],
    ['a range that contradicts itself', 206, { 'content-range': `bytes 9-3/${sizeBytes}` }],
    ['no Content-Range', 206, {}],
    ['several parts', 206, { 'content-type': 'multipart/byteranges; boundary=x' }],
  ] as const) {
    test(`O7: one that answers a range with ${what} is read from the start`, async () => {
      await using registry = await FakeRegistry.open()
      registry.addBlob(content)
      registry.misbehave(digest, ({ request, response, serve }) => {
        if (!request.headers.range) return serve()
        response.writeHead(status, headers).end('--x\r\n\r\nnot what was asked for\r\n--x--')
      })
      await using pull = await Pull.open([registry], [content])
      const origin = pull.node.resolver.blobOrigin(`${registry.host}/team/app`, digest, sizeBytes)
      const chunks: Uint8Array[] = []
      for await (const chunk of (await origin.read({ offset: mib, length: 1000 })).chunks) chunks.push(chunk)
      assert.deepEqual(Buffer.concat(chunks), Buffer.from(content.read({ offset: mib, length: 1000 })))
      await pull.exact(await pull.layer(registry, content), content)
      await pull.innocent()
    })

    test(`O7: one that answers all requests with ${what} fails for its size`, async () => {
      await using registry = await FakeRegistry.open()
      registry.misbehave(digest, ({ response }) => void response.writeHead(status, headers).end('not what was asked for'))
      await using pull = await Pull.open([registry], [content])
      await pull.fails(pull.layer(registry, content), 'ERR_ORIGIN_SIZE')
      assert.equal(await pull.isStored(content), false)
      await pull.innocent()
    })
  }

  test('O8: content that changes between two ranges is read from the start, and its digest decides', async () => {
    await using registry = await FakeRegistry.open()
    registry.addBlob(content)
    registry.misbehave(digest, ({ count, serve, serveHalf }) =>
      count === 1 ? serveHalf(wrongContent(content), { etag: '"old"' }) : serve(content, { etag: '"new"' }),
    )
    await using pull = await Pull.open([registry], [content])
    await pull.exact(await pull.layer(registry, content), content)
    await pull.innocent()
  })

  test('O8: content that changes from right to wrong is never kept', async () => {
    await using registry = await FakeRegistry.open()
    registry.misbehave(digest, ({ count, serve, serveHalf }) =>
      count === 1 ? serveHalf(content, { etag: '"old"' }) : serve(wrongContent(content), { etag: '"new"' }),
    )
    registry.addBlob(content)
    await using pull = await Pull.open([registry], [content])
    await pull.fails(pull.layer(registry, content), 'ERR_ORIGIN_DIGEST')
    assert.equal(await pull.isStored(content), false)
    await pull.innocent()
  })
})
