import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { describe, test } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import type { Digest } from '../../src/core/digest.ts'
import { registryOrigin } from '../../src/oci/registry-origin.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { embeddedOrigin, type EmbeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { testImage } from '../../src/testing/test-image.ts'
import type { PieceStoredEvent } from '../../src/swarm/swarm-events.ts'
import type { Swarm } from '../../src/swarm/swarm.ts'
import { eventOf, TestNodes } from '../support/nodes.ts'
import { slowClock } from '../support/slow-clock.ts'

const mib = 1024 * 1024

async function startAll(nodes: TestNodes, count: number, origin: EmbeddedOrigin, clock = systemClock): Promise<{ bootstrap: Swarm; all: Swarm[] }> {
  const bootstrap = await nodes.start([], { origins: [origin], clock })
  const all = Array.from({ length: count }, () => nodes.start([bootstrap], { origins: [origin], clock }))
  return { bootstrap, all: await Promise.all(all) }
}

describe('nodes behind one bootstrap', () => {
  test('eight that start at once read a blob from the origin about once', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(1, 8 * mib)
    const digest = origin.addBlob(content)
    const { all } = await startAll(nodes, 8, origin, slowClock(2))
    const blobs = await Promise.all(all.map((node) => node.fetchLayer(`${origin.host}/team/app@${digest}`)))
    for (const blob of blobs) assert.equal(blob.sizeBytes, content.sizeBytes)
    const times = origin.bytesSent(digest) / content.sizeBytes
    assert.ok(times <= 1.05, `the blob was read ${times.toFixed(3)} times`)
  })

  test('twelve that ask for a manifest and a config by digest ask the origin three times at most for each', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const image = testImage({ seed: 2, layerSizes: Array.from({ length: 80 }, () => 1) })
    image.addTo(origin, 'team/app')
    const { manifest, config } = image
    const { all } = await startAll(nodes, 12, origin, slowClock(4))
    await Promise.all(
      all.map(async (node) => {
        await node.resolve(`${origin.host}/team/app@${manifest.digest}`)
        await node.fetchLayer(`${origin.host}/team/app@${config.digest}`)
      }),
    )
    for (const { digest } of [manifest, config]) {
      const asked = origin.seen().filter(({ path }) => path.endsWith(digest)).length
      assert.ok(asked <= 3, `${asked} requests for ${digest}`)
    }
  })

  test('a tracker that dies in the middle costs nobody the blob', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(3, 16 * mib)
    const digest = origin.addBlob(content)
    origin.fault(digest, { bytesPerSecond: 8 * mib })
    const { bootstrap, all } = await startAll(nodes, 4, origin)
    const layer = (node: Swarm): Parameters<Swarm['fetchLayer']>[0] => ({
      digest,
      size: content.sizeBytes,
      origin: registryOrigin({ reference: `${origin.host}/team/app@${digest}`, registries: node.resolver.registries }),
    })
    const loads = Promise.allSettled(all.map((node) => node.fetchLayer(layer(node))))
    const granted = await Promise.race(all.map((node) => firstGrant(node, digest)))
    const tracker = [bootstrap, ...all].find(({ peerId }) => peerId === granted)
    assert.ok(tracker)
    await tracker.close()
    const settled = await loads
    const failed = all.filter((node, index) => node !== tracker && settled[index]?.status !== 'fulfilled')
    assert.deepEqual(failed, [])
  })
})

describe('a registry that asks one node to be left alone', () => {
  test('is left alone by another that reads from there too', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const [content, other] = [seededContent(4, mib), seededContent(5, mib)]
    const [digest, refused] = [origin.addBlob(content), origin.addBlob(other)]
    const { bootstrap, all } = await startAll(nodes, 2, origin)
    const [reader, unlucky] = all
    assert.ok(reader && unlucky)
    // Both read from the host, and so gather around it; each node has its own way to it.
    await reader.fetchLayer(`${origin.host}/team/app@${digest}`)
    origin.fault(refused, { status: 429, headers: { 'retry-after': '20' } })
    const controller = new AbortController()
    const { signal } = controller
    const hold = heardOf(reader, origin)
    const load = assert.rejects(unlucky.fetchLayer(`${origin.host}/team/app@${refused}`, { signal }), RangeError)
    await hold
    assert.deepEqual(reader.resolver.registries.hostGates.hosts(), [origin.host])
    controller.abort(new RangeError('enough'))
    await load
    const asked = origin.requests().total
    const waiting = new AbortController()
    const third = seededContent(6, mib)
    const next = reader.fetchLayer(
      {
        digest: origin.addBlob(third),
        size: third.sizeBytes,
        origin: registryOrigin({ reference: `${origin.host}/team/app@${third.digest}`, registries: reader.resolver.registries }),
      },
      { signal: waiting.signal },
    )
    const outcome = assert.rejects(next, RangeError)
    await until(() => reader.explain(third.digest).events.some(({ type }) => type === 'origin:waited'))
    waiting.abort(new RangeError('enough'))
    await outcome
    assert.equal(origin.requests().total, asked)
    assert.ok(bootstrap.stats().links.length >= 2)
  })
})

/** Resolves when a node leaves the origin's host alone. */
function heardOf(node: Swarm, origin: EmbeddedOrigin): Promise<void> {
  const { hostGates } = node.resolver.registries
  return until(() => hostGates.hosts().includes(origin.host))
}

/** Looks again at each turn of the event loop until something is a fact. */
async function until(isFact: () => boolean): Promise<void> {
  while (!isFact()) await setImmediate()
}

/** Who let a node read, when its first piece from the origin is here. */
async function firstGrant(node: Swarm, digest: Digest): Promise<string> {
  await eventOf<PieceStoredEvent>(node, 'piece:stored', ({ from }) => from === 'origin')
  const { events } = node.explain(digest)
  const grant = events.find(({ type }) => type === 'lease:granted')
  assert.ok(grant?.type === 'lease:granted')
  return grant.by
}
