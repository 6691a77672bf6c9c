import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { createLibp2p, type Libp2p, type ServiceFactoryMap } from 'libp2p'
import { systemClock, type Clock } from '../../src/core/clock.ts'
import { digestOf, type Digest } from '../../src/core/digest.ts'
import { silentLogger } from '../../src/core/log.ts'
import { seededRandom } from '../../src/core/random.ts'
import { dht, type DhtOptions } from '../../src/discovery/dht-discovery.ts'
import type { Discovery, DiscoveryContext, KnownPeer } from '../../src/discovery/discovery.ts'

/** A libp2p node on loopback. */
export function loopbackNode(services: ServiceFactoryMap = {}): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    connectionManager: { inboundConnectionThreshold: Infinity },
    services: { ...services, identify: identify(), ping: ping() },
  })
}

/** A context that links to nobody. */
export function contextOf(node: Libp2p, changes: Partial<DiscoveryContext> = {}): DiscoveryContext {
  return {
    node,
    clock: systemClock,
    random: seededRandom(1),
    logger: silentLogger,
    connect: async () => false,
    ...changes,
  }
}

/** Nodes with a DHT on loopback, all closed together. */
export class KadNetwork implements AsyncDisposable {
  readonly members: KadMember[] = []

  /** Adds a node; with `via`, connected to that one only. */
  async add(
    via?: KadMember,
    options: { dht?: DhtOptions; clock?: Clock; networkKey?: Uint8Array } = {},
  ): Promise<KadMember> {
    const plugin = dht(options.dht)
    const node = await loopbackNode(plugin.services)
    const { dht: _, ...changes } = options
    const member = { node, id: node.peerId.toString(), discovery: await plugin.create(contextOf(node, changes)) }
    this.members.push(member)
    if (via) await node.dial(via.node.getMultiaddrs())
    return member
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map(({ discovery }) => discovery.close()))
    await Promise.all(this.members.map(({ node }) => node.stop()))
  }
}

export interface KadMember {
  readonly node: Libp2p
  readonly id: string
  readonly discovery: Discovery
}

export function topicOf(text: string): Digest {
  return digestOf(Buffer.from(text))
}

export async function idsFound(found: AsyncIterable<KnownPeer>): Promise<string[]> {
  const ids: string[] = []
  for await (const { peerId = 'unknown' } of found) ids.push(peerId)
  return ids.toSorted()
}
