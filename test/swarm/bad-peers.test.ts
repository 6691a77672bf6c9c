import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { peers } from '../../src/discovery/static-discovery.ts'
import type { PeerBannedEvent } from '../../src/swarm/swarm-events.ts'
import type { StoredBlob } from '../../src/swarm/stored-blob.ts'
import { embeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { seededContent, type BlobContent } from '../../src/testing/seeded-content.ts'
import { FakePeer, rawHash, serveHonestly, withOneBitTurned } from '../support/fake-peer.ts'
import { eventOf, TestNodes } from '../support/nodes.ts'

const mib = 1024 * 1024

async function assertHolds(blob: StoredBlob, content: BlobContent): Promise<void> {
  const chunks: Uint8Array[] = []
  for await (const chunk of blob.stream()) chunks.push(chunk)
  assert.equal(digestOf(Buffer.concat(chunks)), content.digest)
}

describe('a pull among bad peers', () => {
  test('a peer that sends bytes unlike its hashes is not asked again', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(1, 4 * mib)
    origin.addBlob(content)
    await using liar = await FakePeer.start(content, (request, honest) =>
      request.serve(honest.byteLength, [withOneBitTurned(honest)]),
    )
    const node = await nodes.start([], { origins: [origin], discovery: [peersOf(liar)] })
    const banned = eventOf<PeerBannedEvent>(node, 'peer:banned')
    const blob = await node.fetchLayer(`${origin.host}/t@${content.digest}`)
    await assertHolds(blob, content)
    const { peerId, reason } = await banned
    assert.deepEqual({ peerId, reason }, { peerId: liar.peerId, reason: 'piece-hash' })
    assert.equal(blob.stats.bytes.peers, 0)
    assert.ok(liar.requests.length <= 4, `${liar.requests.length} pieces were asked of it`)
  })

  test('a peer whose wrong bytes match its own wrong hashes is found out by the digest', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(2, 4 * mib)
    origin.addBlob(content)
    await using liar = await FakePeer.start(
      content,
      (request, honest) => request.serve(honest.byteLength, [withOneBitTurned(honest)]),
      (_, honest) => rawHash(withOneBitTurned(honest)),
    )
    const node = await nodes.start([], { origins: [origin], discovery: [peersOf(liar)] })
    const banned = eventOf<PeerBannedEvent>(node, 'peer:banned')
    const blob = await node.fetchLayer(`${origin.host}/t@${content.digest}`)
    await assertHolds(blob, content)
    assert.ok(origin.bytesSent(content.digest) <= content.sizeBytes + 1)
    const { peerId, reason } = await banned
    assert.deepEqual({ peerId, reason }, { peerId: liar.peerId, reason: 'claim' })
    assert.ok(node.explain(content.digest).events.some(({ type }) => type === 'peer:convicted'))
  })

  test('without an origin, another peer makes up for a liar', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(3, 2 * mib)
    origin.addBlob(content)
    await using honest = await FakePeer.start(content, serveHonestly)
    await using liar = await FakePeer.start(content, (request, bytes) =>
      request.serve(bytes.byteLength, [withOneBitTurned(bytes)]),
    )
    const node = await nodes.start([], { discovery: [peersOf(honest, liar)] })
    const blob = await node.fetchLayer({ digest: content.digest, size: content.sizeBytes })
    await assertHolds(blob, content)
    assert.deepEqual(blob.stats.peers.map(({ peerId }) => peerId), [honest.peerId])
  })

  test('a peer that vanishes in the middle of a piece costs that piece only', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(4, 4 * mib)
    origin.addBlob(content)
    await using flaky = await FakePeer.start(content, async (request, honest) => {
      if (flaky.requests.length <= 3) return serveHonestly(request, honest)
      await request.serve(honest.byteLength, halfAndNoMore(honest, () => request.link.close()))
    })
    const node = await nodes.start([], { origins: [origin], discovery: [peersOf(flaky)] })
    const blob = await node.fetchLayer(`${origin.host}/t@${content.digest}`)
    await assertHolds(blob, content)
    assert.ok(blob.stats.bytes.peers > 0 && blob.stats.bytes.origin < content.sizeBytes)
  })

  test('a peer that has nothing of what it says is passed over', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(5, 2 * mib)
    origin.addBlob(content)
    await using empty = await FakePeer.start(content, (request) => request.absent())
    const node = await nodes.start([], { origins: [origin], discovery: [peersOf(empty)] })
    await assertHolds(await node.fetchLayer(`${origin.host}/t@${content.digest}`), content)
  })

  test('a busy peer is asked again when it said', async () => {
    await using nodes = new TestNodes()
    const content = seededContent(6, 2 * mib)
    await using busy = await FakePeer.start(content, (request, honest) =>
      busy.requests.length <= 4 ? request.busy(20) : serveHonestly(request, honest),
    )
    const node = await nodes.start([], { discovery: [peersOf(busy)] })
    await assertHolds(await node.fetchLayer({ digest: content.digest, size: content.sizeBytes }), content)
  })

  test('a peer that names a wrong size for a digest does not keep the right one from being found', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(7, 2 * mib)
    origin.addBlob(content)
    const bloated: BlobContent = {
      ...content,
      digest: content.digest,
      sizeBytes: 3 * mib,
      read: ({ length }) => new Uint8Array(length),
    }
    await using liar = await FakePeer.start(bloated, serveHonestly)
    const node = await nodes.start([], { origins: [origin], discovery: [peersOf(liar)] })
    await assertHolds(await node.fetchLayer(`${origin.host}/t@${content.digest}`), content)
  })
})

async function* halfAndNoMore(bytes: Uint8Array, then: () => void): AsyncGenerator<Uint8Array> {
  yield bytes.subarray(0, bytes.byteLength >> 1)
  then()
}

function peersOf(...fakes: FakePeer[]): ReturnType<typeof peers> {
  return peers(fakes.flatMap(({ addresses }) => addresses))
}
