import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { digestOf, type Digest } from '../../src/core/digest.ts'
import { registryOrigin } from '../../src/oci/registry-origin.ts'
import { BlobHistories, type TimedBlobEvent } from '../../src/swarm/blob-history.ts'
import type { Swarm } from '../../src/swarm/swarm.ts'
import { embeddedOrigin, type EmbeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { fakeClock } from '../../src/testing/fake-clock.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { TestNodes } from '../support/nodes.ts'

const mib = 1024 * 1024

function eventsOf<Type extends TimedBlobEvent['type']>(node: Swarm, digest: Digest, type: Type): Extract<TimedBlobEvent, { type: Type }>[] {
  const { events } = node.explain(digest)
  return events.filter((event): event is Extract<TimedBlobEvent, { type: Type }> => event.type === type)
}

async function fetch(node: Swarm, origin: EmbeddedOrigin, digest: Digest, size: number): Promise<Awaited<ReturnType<Swarm['fetchLayer']>>> {
  const reference = `${origin.host}/team/app@${digest}`
  return node.fetchLayer({ digest, size, origin: registryOrigin({ reference, registries: node.resolver.registries }) })
}

describe('explain', () => {
  test('of a blob that came from the origin it tells who let us, and why the origin was asked', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(1, 3 * mib)
    const digest = origin.addBlob(content)
    const node = await nodes.start([], { origins: [origin] })
    const { stats } = await fetch(node, origin, digest, content.sizeBytes)
    const { phase, bytes, shares, pieces } = node.explain(digest)
    assert.deepEqual([bytes, shares], [stats.bytes, stats.peers])
    assert.deepEqual(bytes, { total: content.sizeBytes, origin: content.sizeBytes, peers: 0, stored: 0 })
    assert.ok(phase === undefined || pieces.stored === pieces.total)
    assert.ok(eventsOf(node, digest, 'lease:asked').length > 0)
    assert.ok(eventsOf(node, digest, 'lease:granted').every(({ by }) => by === node.peerId))
    const asked = eventsOf(node, digest, 'origin:asked')
    assert.equal(asked.reduce((sum, { count }) => sum + count, 0), 12)
    assert.ok(asked.every((event) => event.reason === 'leased' && event.origin.startsWith(origin.host)))
    assert.equal(eventsOf(node, digest, 'blob:completed').length, 1)
  })

  test('of a blob that came from a peer it tells who was asked, who answered and what it gave', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(2, 3 * mib)
    const digest = origin.addBlob(content)
    const first = await nodes.start([], { origins: [origin] })
    await fetch(first, origin, digest, content.sizeBytes)
    const second = await nodes.start([first], { origins: [origin] })
    const { stats } = await fetch(second, origin, digest, content.sizeBytes)
    const { bytes, shares, events } = second.explain(digest)
    assert.deepEqual([bytes, shares], [stats.bytes, stats.peers])
    assert.equal(bytes.peers, content.sizeBytes)
    assert.deepEqual(shares.map(({ peerId, bytes: given }) => [peerId, given]), [[first.peerId, content.sizeBytes]])
    assert.deepEqual(new Set(eventsOf(second, digest, 'join:asked').map(({ peerId }) => peerId)), new Set([first.peerId]))
    assert.ok(eventsOf(second, digest, 'join:answered').some(({ peerId }) => peerId === first.peerId))
    assert.ok(eventsOf(second, digest, 'peer:answered').some(({ peerId, complete }) => peerId === first.peerId && complete))
    assert.deepEqual(eventsOf(second, digest, 'origin:asked'), [])
    assert.deepEqual(events.map(({ atMs }) => atMs), events.map(({ atMs }) => atMs).toSorted((a, b) => a - b))
  })

  test('of a blob that failed it tells how', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(3, 2 * mib)
    const node = await nodes.start([], { origins: [origin] })
    await assert.rejects(fetch(node, origin, content.digest, content.sizeBytes))
    assert.ok(eventsOf(node, content.digest, 'origin:failed').some(({ code }) => code === 'ERR_ORIGIN_NOT_FOUND'))
    assert.deepEqual(eventsOf(node, content.digest, 'blob:completed'), [])
  })

  test('of an unknown blob it has nothing to tell', async () => {
    await using nodes = new TestNodes()
    const node = await nodes.start()
    const digest = digestOf(Buffer.from('unknown'))
    assert.deepEqual(node.explain(digest), {
      digest,
      phase: undefined,
      pieces: { total: 0, stored: 0, leased: 0 },
      bytes: { total: 0, origin: 0, peers: 0, stored: 0 },
      wastedBytes: 0,
      shares: [],
      peers: [],
      events: [],
    })
  })
})

describe('histories', () => {
  test('512 events of a blob are kept, the newest', () => {
    const histories = new BlobHistories(fakeClock())
    const digest = digestOf(Buffer.from('blob'))
    for (let first = 0; first < 600; first++) {
      histories.note(digest, { type: 'origin:asked', origin: 'origin', first, count: 1, reason: 'leased' })
    }
    const events = histories.of(digest)
    assert.equal(events.length, 512)
    const [oldest] = events
    assert.ok(oldest?.type === 'origin:asked' && oldest.first === 88)
  })

  test('256 blobs have a history: those that were busy last', () => {
    const histories = new BlobHistories(fakeClock())
    const digests = Array.from({ length: 257 }, (_, index) => digestOf(Buffer.from(`blob ${index}`)))
    for (const digest of digests) histories.note(digest, { type: 'lease:silent' })
    assert.equal(digests.filter((digest) => histories.of(digest).length > 0).length, 256)
    assert.deepEqual(digests.slice(0, 1).map((digest) => histories.of(digest)), [[]])
  })
})
