import assert from 'node:assert/strict'
import { peerIdFromString } from '@libp2p/peer-id'
import { describe, test } from 'vitest'
import { digestToBytes, type Digest } from '../../src/core/digest.ts'
import { dht } from '../../src/discovery/dht-discovery.ts'
import type { DiscoveryPlugin } from '../../src/discovery/discovery.ts'
import { peers } from '../../src/discovery/static-discovery.ts'
import { compareDistance } from '../../src/engine/place.ts'
import { registryOrigin } from '../../src/oci/registry-origin.ts'
import { placeOf } from '../../src/swarm/node-order.ts'
import type { Swarm } from '../../src/swarm/swarm.ts'
import { embeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { TestNodes } from '../support/nodes.ts'
import { slowClock } from '../support/slow-clock.ts'

const mib = 1024 * 1024

describe('twelve nodes that only the DHT brings together', () => {
  test('ask the nearest of all nodes first, and read a blob from the origin about once', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(1, 4 * mib)
    const digest = origin.addBlob(content)
    const clock = slowClock(4)
    const origins = [origin]
    const bootstrapMet = new Acquaintances()
    const bootstrap = await nodes.start([], { origins, clock, discovery: [bootstrapMet.dht()] })
    const all: Swarm[] = []
    const met: Acquaintances[] = []
    while (all.length < 12) {
      const acquaintances = new Acquaintances()
      const discovery = [acquaintances.dht(), peers(bootstrap.addresses)]
      const node = await nodes.start([], { origins, clock, discovery })
      all.push(node)
      met.push(acquaintances)
      // Who comes next hears of this one from the bootstrap node.
      await bootstrapMet.know(all)
    }
    await Promise.all(met.map((acquaintances, index) => acquaintances.know(all.filter((_, other) => other !== index))))
    for (const node of all) assert.deepEqual(node.stats().links.map(({ peerId }) => peerId), [bootstrap.peerId])

    const reference = `${origin.host}/team/app@${digest}`
    const blobs = await Promise.all(
      all.map((node) => {
        const { registries } = node.resolver
        return node.fetchLayer({ digest, size: content.sizeBytes, origin: registryOrigin({ reference, registries }) })
      }),
    )
    for (const blob of blobs) assert.equal(blob.sizeBytes, content.sizeBytes)
    const times = origin.bytesSent(digest) / content.sizeBytes
    assert.ok(times <= 1.05, `the blob was read ${times.toFixed(3)} times`)
    const nearest = nearestTo(digest, [bootstrap, ...all])
    const asking = all.filter((node) => node !== nearest)
    const right = asking.filter((node) => firstAsked(node, digest) === nearest.peerId)
    assert.ok(right.length >= asking.length - 2, `${right.length} of ${asking.length} asked the nearest node first`)
  }, 120_000)
})

/** Whom the DHT of one node has met. */
class Acquaintances {
  readonly #ids = new Set<string>()
  #grew = Promise.withResolvers<void>()

  /** A DHT that tells the node, and this. */
  dht(): DiscoveryPlugin {
    const plugin = dht()
    return {
      ...plugin,
      create: (context) => {
        const met: typeof context.met = (peer) => {
          context.met(peer)
          this.#ids.add(peer.peerId ?? '')
          this.#grew.resolve()
          this.#grew = Promise.withResolvers()
        }
        return plugin.create({ ...context, met })
      },
    }
  }

  /** Resolves when all of these were met. */
  async know(nodes: readonly Swarm[]): Promise<void> {
    while (!nodes.every(({ peerId }) => this.#ids.has(peerId))) await this.#grew.promise
  }
}

function nearestTo(digest: Digest, nodes: readonly Swarm[]): Swarm {
  const places = new Map(nodes.map((node) => [node, placeOf(peerIdFromString(node.peerId).toMultihash().bytes)]))
  const place = (node: Swarm): Uint8Array => places.get(node) ?? assert.fail()
  const [nearest] = nodes.toSorted((a, b) => compareDistance(place(a), place(b), digestToBytes(digest)))
  return nearest ?? assert.fail()
}

function firstAsked(node: Swarm, digest: Digest): string | undefined {
  const asked = node.explain(digest).events.find(({ type }) => type === 'join:asked')
  return asked?.type === 'join:asked' ? asked.peerId : undefined
}
