import type { Secret } from '../../src/core/secret.ts'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { setImmediate } from 'node:timers/promises'
import { createLibp2p, type Libp2p, type Libp2pOptions, type ServiceFactoryMap } from 'libp2p'
import { systemClock } from '../../src/core/clock.ts'
import { digestOf, type Digest } from '../../src/core/digest.ts'
import { silentLogger } from '../../src/core/log.ts'
import { seededRandom } from '../../src/core/random.ts'
import { dht } from '../../src/discovery/dht-discovery.ts'
import type { Discovery, DiscoveryContext, KnownPeer } from '../../src/discovery/discovery.ts'
import { topicKey } from '../../src/discovery/topic-key.ts'

/** Settings of a libp2p node on loopback. */
export function loopback(): Pick<Libp2pOptions, 'addresses' | 'transports' | 'connectionEncrypters' | 'streamMuxers'> {
  return {
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
  }
}

/** A libp2p node on loopback. */
export function loopbackNode(services: ServiceFactoryMap = {}): Promise<Libp2p> {
  return createLibp2p({
    ...loopback(),
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
    met: () => {},
    ...changes,
  }
}

/** Nodes with a DHT on loopback, all closed together. */
export class KadNetwork implements AsyncDisposable {
  readonly #members: KadMember[] = []

  /** Adds a node; with `via`, connected to that one only. */
  async add(
    via?: KadMember,
    changes: Partial<DiscoveryContext> = {},
    services: ServiceFactoryMap = {},
  ): Promise<KadMember> {
    const node = await loopbackNode({ ...services, ...dht().services })
    const member = await KadMember.create(node, changes)
    this.#members.push(member)
    if (via) await node.dial(via.node.getMultiaddrs())
    return member
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { discovery } of this.#members) await discovery.close()
    for (const { node } of this.#members) await node.stop()
  }
}

/** A node with a DHT. */
export class KadMember {
  readonly node: Libp2p
  readonly id: string
  readonly discovery: Discovery
  readonly #networkKey: Secret<Uint8Array> | undefined

  private constructor(node: Libp2p, discovery: Discovery, networkKey: Secret<Uint8Array> | undefined) {
    this.node = node
    this.id = node.peerId.toString()
    this.discovery = discovery
    this.#networkKey = networkKey
  }

  static async create(node: Libp2p, changes: Partial<DiscoveryContext>): Promise<KadMember> {
    return new KadMember(node, await dht().create(contextOf(node, changes)), changes.networkKey)
  }

  /** Provides a topic; resolves when `witness` can find out. */
  async provide(topic: Digest, witness: KadMember): Promise<void> {
    await this.discovery.provide(topic)
    await witness.knows(this, topic)
  }

  /** Resolves when this node can find out that `provider` provides the topic. */
  async knows(provider: KadMember, topic: Digest): Promise<void> {
    const key = topicKey(topic, provider.#networkKey)
    while (true) {
      for await (const { id } of this.node.contentRouting.findProviders(key)) {
        if (id.equals(provider.node.peerId)) return
      }
      await setImmediate()
    }
  }
}

export function topicOf(text: string): Digest {
  return digestOf(Buffer.from(text))
}

export async function idsFound(found: AsyncIterable<KnownPeer>): Promise<string[]> {
  const ids: string[] = []
  for await (const { peerId = 'unknown' } of found) ids.push(peerId)
  return ids.toSorted()
}
