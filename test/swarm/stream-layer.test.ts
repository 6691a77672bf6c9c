import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'vitest'
import type { PieceStoredEvent } from '../../src/swarm/swarm-events.ts'
import type { TransferProgress } from '../../src/swarm/transfer.ts'
import { embeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { seededContent, type BlobContent } from '../../src/testing/seeded-content.ts'
import { eventOf, TestNodes } from '../support/nodes.ts'

const kib = 1024
const mib = 1024 * kib

/** Checks each chunk at its own place. */
async function readAll(content: BlobContent, chunks: AsyncIterable<Uint8Array>): Promise<number> {
  let offset = 0
  for await (const chunk of chunks) {
    assert.deepEqual(Buffer.from(chunk), Buffer.from(content.read({ offset, length: chunk.byteLength })))
    offset += chunk.byteLength
  }
  return offset
}

describe('streamLayer', () => {
  test('yields the bytes in order', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const node = await nodes.start([], { origins: [origin] })
    const content = seededContent(1, 5 * mib + 1)
    origin.addBlob(content)
    assert.equal(await readAll(content, node.streamLayer(`${origin.host}/t@${content.digest}`)), content.sizeBytes)
  })

  test('yields the first bytes of the origin before the last have come', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const node = await nodes.start([], { origins: [origin] })
    const content = seededContent(2, 4 * mib)
    origin.addBlob(content)
    const reader = node.streamLayer(`${origin.host}/t@${content.digest}`)
    const first = await reader.next()
    assert.ok(!first.done)
    assert.equal(await node.store.stat(content.digest), undefined)
    await reader.return(undefined)
  })

  test('in a closed network, yields a member’s pieces before the blob is whole', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const network = { key: randomBytes(32) }
    const content = seededContent(3, 8 * mib)
    origin.addBlob(content)
    const seed = await nodes.start([], { origins: [origin], network })
    await seed.fetchLayer(`${origin.host}/t@${content.digest}`)
    const node = await nodes.start([seed], { network })
    const reader = node.streamLayer({ digest: content.digest, size: content.sizeBytes })
    const first = await reader.next()
    assert.ok(!first.done)
    assert.equal(await node.store.stat(content.digest), undefined)
    assert.equal(first.value.byteLength + (await readAll(shifted(content, first.value.byteLength), reader)), 8 * mib)
  })

  test('holds back what strangers sent until the whole blob is verified', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(4, 4 * mib)
    origin.addBlob(content)
    const seed = await nodes.start([], { origins: [origin] })
    await seed.fetchLayer(`${origin.host}/t@${content.digest}`)
    const node = await nodes.start([seed])
    const reader = node.streamLayer({ digest: content.digest, size: content.sizeBytes })
    const first = await reader.next()
    assert.ok(!first.done)
    assert.ok(await node.store.stat(content.digest))
    await reader.return(undefined)
  })

  test('a reader that leaves does not end the download of another', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const node = await nodes.start([], { origins: [origin] })
    const content = seededContent(5, 4 * mib)
    origin.addBlob(content)
    const reference = `${origin.host}/t@${content.digest}`
    const reader = node.streamLayer(reference)
    await reader.next()
    const started = Promise.withResolvers<void>()
    const onProgress = (progress: TransferProgress): void => {
      if (progress.type === 'blob:started') started.resolve()
    }
    const whole = node.fetchLayer(reference, { onProgress })
    await started.promise
    await reader.return(undefined)
    assert.equal((await whole).sizeBytes, content.sizeBytes)
    // One byte more: the origin was asked for the size before.
    assert.equal(origin.bytesSent(content.digest), content.sizeBytes + 1)
  })

  test('an abort ends the reader with its reason', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const node = await nodes.start([], { origins: [origin] })
    const content = seededContent(6, 4 * mib)
    origin.addBlob(content)
    origin.fault(content.digest, { bytesPerSecond: 400 * kib })
    const controller = new AbortController()
    const stored = eventOf<PieceStoredEvent>(node, 'piece:stored')
    const reading = readAll(content, node.streamLayer(`${origin.host}/t@${content.digest}`, { signal: controller.signal }))
    const ended = assert.rejects(reading, { name: 'AbortError' })
    await stored
    controller.abort()
    await ended
  })
})

function shifted(content: BlobContent, by: number): BlobContent {
  return {
    sizeBytes: content.sizeBytes - by,
    digest: content.digest,
    read: ({ offset, length }) => content.read({ offset: offset + by, length }),
  }
}
