import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { createDefaultNode } from '../../src/net/libp2p-node.ts'
import type { Digest } from '../../src/core/digest.ts'
import { registryOrigin } from '../../src/oci/registry-origin.ts'
import { createSwarm } from '../../src/swarm/create-swarm.ts'
import type { Swarm } from '../../src/swarm/swarm.ts'
import type { PieceStoredEvent } from '../../src/swarm/swarm-events.ts'
import { embeddedOrigin, type EmbeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { testImage } from '../../src/testing/test-image.ts'
import { eventOf, TestNodes } from '../support/nodes.ts'

const mib = 1024 * 1024

/** A node on an island: whoever is not named cannot be reached from there, and cannot reach it. */
async function islander(nodes: TestNodes, reachable: Swarm, origin: EmbeddedOrigin, mayAsk: boolean): Promise<Swarm> {
  const libp2p = await createDefaultNode({ listen: [] })
  nodes.use({ [Symbol.asyncDispose]: async () => libp2p.stop() })
  await libp2p.start()
  const dial = libp2p.dial.bind(libp2p)
  const allowed = reachable.peerId
  // It listens nowhere; and what it dials is the supernode or nothing.
  libp2p.dial = async (target, options) => {
    if (!JSON.stringify(target).includes(allowed) && !String(target).includes(allowed)) throw new Error('no route to there')
    return dial(target, options)
  }
  const never = mayAsk ? {} : { origin: 'never' as const }
  return nodes.start([], { libp2p, listen: undefined, discovery: [], supernodes: reachable.addresses, origins: [origin], ...never })
}

function layerOf(node: Swarm, origin: EmbeddedOrigin, digest: Digest, size: number): Parameters<Swarm['fetchLayer']>[0] {
  const reference = `${origin.host}/team/app@${digest}`
  return { digest, size, origin: registryOrigin({ reference, registries: node.resolver.registries }) }
}

function linkedTo(node: Swarm): string[] {
  return node.stats().links.map(({ peerId }) => peerId)
}

describe('a supernode', () => {
  test('joins islands: who may ask no origin and reaches nobody else has from it what others have', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(1, 5 * mib)
    const digest = origin.addBlob(content)
    const middle = await nodes.start([], { origins: [origin], origin: 'never', role: 'supernode' })
    const reader = await islander(nodes, middle, origin, true)
    await reader.fetchLayer(layerOf(reader, origin, digest, content.sizeBytes))
    const leaves = await Promise.all([1, 2].map(() => islander(nodes, middle, origin, false)))
    const blobs = await Promise.all(leaves.map((leaf) => leaf.fetchLayer({ digest, size: content.sizeBytes })))
    for (const [index, leaf] of leaves.entries()) {
      assert.deepEqual(linkedTo(leaf), [middle.peerId])
      assert.equal(blobs[index]?.stats.bytes.peers, content.sizeBytes)
    }
    assert.equal(origin.bytesSent(digest), content.sizeBytes)
    assert.ok(await middle.store.stat(digest), 'it keeps what it serves')
  })

  test('joins them for a whole image by its digest, whose sizes nobody told', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const image = testImage({ seed: 2, layerSizes: [2 * mib, 1000] })
    image.addTo(origin, 'team/app', 'v1')
    const middle = await nodes.start([], { origins: [origin], origin: 'never', role: 'supernode' })
    const reader = await islander(nodes, middle, origin, true)
    await (await reader.fetchImage(`${origin.host}/team/app:v1`)).close()
    const asked = origin.requests().total
    const leaf = await islander(nodes, middle, origin, false)
    await using stored = await leaf.fetchImage(`${origin.host}/team/app@${image.manifest.digest}`)
    assert.equal(stored.stats.bytes.peers, stored.stats.bytes.total)
    assert.equal(origin.requests().total, asked)
  })

  test('that dies in the middle of a pull costs nobody the blob', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(3, 8 * mib)
    const digest = origin.addBlob(content)
    origin.fault(digest, { bytesPerSecond: 4 * mib })
    const middle = await nodes.start([], { origins: [origin], role: 'supernode' })
    const all = await Promise.all(
      Array.from({ length: 3 }, () => nodes.start([], { origins: [origin], supernodes: middle.addresses })),
    )
    const loads = all.map((node) => node.fetchLayer(layerOf(node, origin, digest, content.sizeBytes)))
    await Promise.race(all.map((node) => eventOf<PieceStoredEvent>(node, 'piece:stored')))
    await middle.close()
    for (const blob of await Promise.all(loads)) assert.equal(blob.sizeBytes, content.sizeBytes)
  })

  test('is asked for leases before all others', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(4, 2 * mib)
    const digest = origin.addBlob(content)
    const middle = await nodes.start([], { origins: [origin], role: 'supernode' })
    const node = await nodes.start([], { origins: [origin], supernodes: middle.addresses })
    await node.fetchLayer(layerOf(node, origin, digest, content.sizeBytes))
    const grants = node.explain(digest).events.filter(({ type }) => type === 'lease:granted')
    assert.ok(grants.length > 0)
    assert.ok(grants.every((event) => event.type === 'lease:granted' && event.by === middle.peerId))
  })

  test('an error names the setting that cannot be used', async () => {
    const wrong: readonly [Parameters<typeof createSwarm>[0], RegExp][] = [
      [{ role: 'master' as 'peer' }, /role is master/],
      [{ supernodes: ['registry.example:4001'] }, /registry\.example:4001/],
      [{ limits: { maxLinks: 0 }, role: 'supernode' }, /maxLinks/],
    ]
    for (const [options, message] of wrong) {
      await assert.rejects(createSwarm({ discovery: [], listen: [], ...options }), { code: 'ERR_REQUEST_OPTION', message })
    }
  })
})
