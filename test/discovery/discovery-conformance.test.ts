import { describe, test } from 'vitest'
import { silentLogger } from '../../src/core/log.ts'
import { CombinedDiscovery } from '../../src/discovery/combined-discovery.ts'
import type { Discovery, DiscoveryPlugin } from '../../src/discovery/discovery.ts'
import { dns } from '../../src/discovery/dns-discovery.ts'
import { mdns } from '../../src/discovery/mdns-discovery.ts'
import { peers } from '../../src/discovery/static-discovery.ts'
import { discoveryConformance, type DiscoveryFixture } from '../../src/testing/discovery-conformance.ts'
import { contextOf, KadNetwork, loopbackNode } from './kad-network.ts'
import { freeUdpPort } from './multicast.ts'
import { failingStream } from './streams.ts'

const known = ['/ip4/192.0.2.1/tcp/4001', '/dns4/seed.example/tcp/4001']

/** A discovery that needs no other node. */
async function alone(plugin: Pick<DiscoveryPlugin, 'create'>): Promise<DiscoveryFixture> {
  const node = await loopbackNode()
  const discovery = await plugin.create(contextOf(node))
  return {
    discovery,
    peerId: node.peerId.toString(),
    async close() {
      await discovery.close()
      await node.stop()
    },
  }
}

/** Two nodes that know a third. */
async function inDht(wrap: (discovery: Discovery) => Discovery): Promise<DiscoveryFixture> {
  const network = new KadNetwork()
  const bootstrap = await network.add()
  const [one, other] = [await network.add(bootstrap), await network.add(bootstrap)]
  return {
    discovery: wrap(one.discovery),
    peerId: one.id,
    other: { discovery: other.discovery, peerId: other.id },
    close: () => network[Symbol.asyncDispose](),
  }
}

const never: Discovery = {
  name: 'never',
  provide: () => Promise.reject(new RangeError('no')),
  withdraw: () => Promise.reject(new RangeError('no')),
  findPeers: () => failingStream(),
  close: () => Promise.reject(new RangeError('no')),
}

const fixtures: Record<string, () => Promise<DiscoveryFixture>> = {
  dht: () => inDht((discovery) => discovery),
  'a dht combined with one that fails': () =>
    inDht((discovery) => new CombinedDiscovery([never, discovery], silentLogger)),
  peers: () => alone(peers(known)),
  dns: () => alone(dns('host:4001', { resolve: async () => ['192.0.2.1', '2001:db8::1'] })),
  mdns: async () => {
    const port = await freeUdpPort()
    return alone(mdns({ port }))
  },
  'none at all': () => alone({ create: () => new CombinedDiscovery([], silentLogger) }),
}

for (const [subject, open] of Object.entries(fixtures)) {
  describe(`Discovery: ${subject}`, () => {
    for (const { name, run } of discoveryConformance(open)) test(name, run)
  })
}
