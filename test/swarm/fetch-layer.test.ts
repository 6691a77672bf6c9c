import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { describe, test } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import { digestOf, type Digest } from '../../src/core/digest.ts'
import { DigestMismatchError, RequestError, TransferError } from '../../src/core/errors.ts'
import type { Origin } from '../../src/core/origin.ts'
import type { StoredBlob } from '../../src/swarm/stored-blob.ts'
import type { Swarm } from '../../src/swarm/swarm.ts'
import type { LayerRequest, TransferProgress } from '../../src/swarm/transfer.ts'
import { embeddedOrigin, type EmbeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { seededContent, type BlobContent } from '../../src/testing/seeded-content.ts'
import { TestNodes } from '../support/nodes.ts'

const kib = 1024
const mib = 1024 * kib

/** A blob at the origin, as a layer that a node can fetch. */
function layerAt(node: Swarm, origin: EmbeddedOrigin, content: BlobContent): LayerRequest {
  origin.addBlob(content)
  return { ...layerOf(content), origin: node.resolver.blobOrigin(`${origin.host}/test`, content.digest) }
}

function layerOf(content: BlobContent): LayerRequest {
  return { digest: content.digest, size: content.sizeBytes }
}

async function* chunksOf(content: BlobContent): AsyncGenerator<Uint8Array> {
  yield content.read({ offset: 0, length: content.sizeBytes })
}

async function bytesOf(blob: StoredBlob): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of blob.stream()) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function assertHolds(blob: StoredBlob, content: BlobContent): Promise<void> {
  const bytes = await bytesOf(blob)
  assert.equal(bytes.byteLength, content.sizeBytes)
  assert.equal(digestOf(bytes), content.digest)
}

describe('fetchLayer', () => {
  test('a lone node reads each byte once from the origin', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const node = await nodes.start([], { origins: [origin] })
    const content = seededContent(1, 5 * mib + 17)
    const blob = await node.fetchLayer(layerAt(node, origin, content))
    await assertHolds(blob, content)
    assert.equal(origin.bytesSent(content.digest), content.sizeBytes)
    assert.deepEqual(blob.stats.bytes, { total: content.sizeBytes, origin: content.sizeBytes, peers: 0, stored: 0 })
  })

  test('a node that waits for an origin takes a blob from a peer that had none of it and seeds it later', async () => {
    await using nodes = new TestNodes()
    const later = await nodes.start()
    const node = await nodes.start([later])
    const content = seededContent(3, 3 * mib)
    const silent: Origin = { name: 'silent', read: () => new Promise(() => {}) }
    const fetching = node.fetchLayer({ ...layerOf(content), origin: silent })
    while (!node.explain(content.digest).events.some(({ type }) => type === 'peer:answered')) await setImmediate()
    const descriptor = { digest: content.digest, size: content.sizeBytes, mediaType: 'x/y' }
    await using _ = await later.seed({ blob: descriptor, bytes: chunksOf(content) })
    const blob = await fetching
    assert.equal(blob.stats.bytes.peers, content.sizeBytes)
    await assertHolds(blob, content)
  })

  test.for([
    0, 1, 2, 256 * kib - 1, 256 * kib, mib - 1, mib, mib + 1, mib + 256 * kib, mib + 256 * kib + 1, 3 * mib - 1,
  ])('a blob of %i bytes goes from the origin to one node and from that to another', async (sizeBytes) => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const first = await nodes.start([], { origins: [origin] })
    const second = await nodes.start([first], { origins: [origin] })
    const content = seededContent(2, sizeBytes)
    await assertHolds(await first.fetchLayer(layerAt(first, origin, content)), content)
    const sent = origin.bytesSent()
    const blob = await second.fetchLayer(layerOf(content))
    await assertHolds(blob, content)
    assert.equal(origin.bytesSent(), sent)
    assert.deepEqual(blob.stats.bytes, { total: sizeBytes, origin: 0, peers: sizeBytes, stored: 0 })
    if (sizeBytes > 0) assert.deepEqual(blob.stats.peers.map(({ peerId }) => peerId), [first.peerId])
  })

  test('a second call finds the blob in the store', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const node = await nodes.start([], { origins: [origin] })
    const layer = layerAt(node, origin, seededContent(3, 2 * mib))
    await node.fetchLayer(layer)
    const again = await node.fetchLayer(layer)
    assert.deepEqual(again.stats.bytes, { total: 2 * mib, origin: 0, peers: 0, stored: 2 * mib })
    assert.equal(origin.bytesSent(), 2 * mib)
  })

  test('a hundred calls share one download, and half of them may leave', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const node = await nodes.start([], { origins: [origin] })
    const content = seededContent(4, 8 * mib)
    const layer = layerAt(node, origin, content)
    const leave = new AbortController()
    const reason = new RangeError('not needed any more')
    const stored = new Promise<void>((resolve) => node.addEventListener('piece:stored', () => resolve(), { once: true }))
    const calls = Array.from({ length: 100 }, (_, index) =>
      node.fetchLayer(layer, index % 2 === 0 ? { signal: leave.signal } : {}),
    )
    const settled = Promise.allSettled(calls)
    await stored
    leave.abort(reason)
    const results = await settled
    for (const [index, result] of results.entries()) {
      if (index % 2 === 0) assert.ok(result.status === 'rejected' && result.reason === reason)
      else assert.ok(result.status === 'fulfilled' && result.value.digest === content.digest)
    }
    assert.equal(origin.bytesSent(content.digest), content.sizeBytes)
  })

  test('an aborted download goes on from what was stored', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const node = await nodes.start([], { origins: [origin] })
    const content = seededContent(5, 4 * mib)
    const layer = layerAt(node, origin, content)
    const controller = new AbortController()
    node.addEventListener('piece:stored', ({ detail }) => detail.piece === 3 && controller.abort())
    await assert.rejects(node.fetchLayer(layer, { signal: controller.signal }), { name: 'AbortError' })
    const blob = await node.fetchLayer(layer)
    await assertHolds(blob, content)
    assert.ok(blob.stats.bytes.stored >= mib, `${blob.stats.bytes.stored} bytes were stored`)
    assert.equal(blob.stats.bytes.stored + blob.stats.bytes.origin, content.sizeBytes)
  })

  test('progress tells every piece, and where it came from', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const node = await nodes.start([], { origins: [origin] })
    const content = seededContent(6, 2 * mib)
    const told: TransferProgress[] = []
    await node.fetchLayer(layerAt(node, origin, content), { onProgress: (progress) => told.push(progress) })
    assert.equal(told[0]?.type, 'blob:started')
    assert.equal(told.at(-1)?.type, 'blob:completed')
    const bytes = told.flatMap((progress) => (progress.type === 'blob:progress' ? [progress.bytes.origin] : []))
    assert.deepEqual(bytes, bytes.toSorted((a, b) => a - b))
    assert.equal(bytes.at(-1), content.sizeBytes)
  })

  test('a node that never asks the origin says so when no peer has the blob', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const node = await nodes.start([], { origins: [origin], origin: 'never' })
    await assert.rejects(node.fetchLayer(layerAt(node, origin, seededContent(7, mib))), (error: unknown) => {
      assert.ok(error instanceof TransferError)
      assert.equal(error.code, 'ERR_SWARM_NO_SOURCE')
      return true
    })
    assert.equal(origin.requests().total, 0)
  })

  test('wrong bytes at the origin are an error that names both digests; nothing is kept, and the origin is left alone for thirty seconds', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    let passedMs = 0
    const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + passedMs }
    const node = await nodes.start([], { origins: [origin], clock })
    const content = seededContent(8, 2 * mib)
    const layer = layerAt(node, origin, content)
    const heal = origin.fault(content.digest, { wrongBytes: true })
    const actual = digestOf(content.read({ offset: 0, length: content.sizeBytes }).map((byte) => ~byte))
    await assert.rejects(node.fetchLayer(layer), (error: unknown) => {
      assert.ok(error instanceof DigestMismatchError)
      assert.deepEqual([error.code, error.expected, error.actual], ['ERR_ORIGIN_DIGEST', content.digest, actual])
      return true
    })
    assert.equal(await node.store.stat(content.digest), undefined)
    heal()
    const { total } = origin.requests()
    await assert.rejects(node.fetchLayer(layer), { code: 'ERR_ORIGIN_DIGEST' })
    assert.equal(origin.requests().total, total)
    passedMs = 30_000
    await assertHolds(await node.fetchLayer(layer), content)
  })

  test('an origin that cuts the body again and again is read to the end', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const node = await nodes.start([], { origins: [origin] })
    const content = seededContent(9, 3 * mib)
    const layer = layerAt(node, origin, content)
    origin.fault(content.digest, { cutAfterBytes: 700 * kib, times: 3 })
    await assertHolds(await node.fetchLayer(layer), content)
  })

  test('an origin that was down for a moment is asked again', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const node = await nodes.start([], { origins: [origin] })
    const content = seededContent(10, mib)
    const layer = layerAt(node, origin, content)
    origin.fault(content.digest, { status: 503, times: 2 })
    await assertHolds(await node.fetchLayer(layer), content)
  })

  test('a digest alone is enough when a peer knows the size', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const first = await nodes.start([], { origins: [origin] })
    const content = seededContent(11, 2 * mib)
    await first.fetchLayer(layerAt(first, origin, content))
    const { host } = origin
    await origin.close()
    const second = await nodes.start([first], { origins: [origin] })
    await assertHolds(await second.fetchLayer(`${host}/test@${content.digest}`), content)
  })

  test('a digest alone is enough when the origin knows the size', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const node = await nodes.start([], { origins: [origin] })
    const content = seededContent(12, 2 * mib)
    origin.addBlob(content)
    await assertHolds(await node.fetchLayer(`${origin.host}/test@${content.digest}`), content)
  })

  test.for<[string, () => LayerRequest | string, string]>([
    ['a digest that is none', () => ({ digest: 'sha256:abc' as Digest, size: 1 }), 'ERR_REQUEST_DIGEST'],
    ['a negative size', () => ({ ...layerOf(seededContent(1, 1)), size: -1 }), 'ERR_REQUEST_SIZE'],
    ['a fraction of a byte', () => ({ ...layerOf(seededContent(1, 1)), size: 1.5 }), 'ERR_REQUEST_SIZE'],
    ['a tag', () => 'docker.io/library/alpine:3.20', 'ERR_REQUEST_DIGEST'],
    ['a malformed reference', () => 'UPPER CASE', 'ERR_REQUEST_NAME'],
  ])('%s is refused before anything is asked', async ([, layer, code]) => {
    await using nodes = new TestNodes()
    const node = await nodes.start()
    await assert.rejects(node.fetchLayer(layer()), (error: unknown) => {
      assert.ok(error instanceof RequestError, String(error))
      assert.equal(error.code, code)
      return true
    })
  })

  test('closing the swarm ends what runs, and says why', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const node = await nodes.start([], { origins: [origin] })
    const content = seededContent(13, 4 * mib)
    const layer = layerAt(node, origin, content)
    origin.fault(content.digest, { bytesPerSecond: 200 * kib })
    const call = node.fetchLayer(layer)
    const ended = assert.rejects(call, { code: 'ERR_SWARM_CLOSED' })
    await node.close()
    await ended
    await assert.rejects(node.fetchLayer(layer), { code: 'ERR_SWARM_CLOSED' })
  })
})
