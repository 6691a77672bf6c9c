import assert from 'node:assert/strict'
import { digestToBytes } from '../../src/core/digest.ts'
import { pieceAt, pieceLayout, type PieceLayout } from '../../src/core/piece-layout.ts'
import type { DiscoveryPlugin, KnownPeer } from '../../src/discovery/discovery.ts'
import { placeOf } from '../../src/swarm/node-order.ts'
import type { PieceStoredEvent } from '../../src/swarm/swarm-events.ts'
import type { SwarmOptions } from '../../src/swarm/swarm-init.ts'
import type { TransferStats } from '../../src/swarm/transfer.ts'
import type { BlobContent } from '../../src/testing/seeded-content.ts'
import { limits } from '../../src/wire/protocol.ts'
import { identityOf, type Identity } from '../lab/identities.ts'
import { Lab } from '../lab/lab.ts'
import { nothing, type LabNode } from '../lab/lab-node.ts'
import { NodeLoop } from '../lab/node-loop.ts'
import { VirtualNode } from '../lab/virtual-node.ts'
import { Card } from '../lab/wire.ts'
import { FakePeer, type PieceAnswer, type PeerScript } from '../support/fake-peer.ts'
import { sharedContent } from '../lab/contents.ts'
import { Figures } from './figures.ts'

const kib = 1024
const bytesPerSecond = 12_500_000

/** A pull of a {@link Stage}. */
export interface Pull {
  readonly stats: TransferStats
  /** In virtual time. */
  readonly tookMs: number
}

/** How a stage differs from others. */
export interface StageOptions {
  /** First half of the addresses of honest nodes. */
  readonly prefix?: string
}

export interface PullOptions {
  /** Whether the node may read from the origin. @defaultValue true */
  readonly origin?: boolean
  /** @defaultValue what the stage is about */
  readonly content?: BlobContent
}

/** Where and as whom a bad peer appears. */
export interface BadPeerOptions {
  readonly identity?: Identity
  /** Without a peer id at its end. */
  readonly address?: string
  /** The same peer was there before; that one leaves. */
  readonly as?: FakePeer
  /** Whether nodes hear of it; if not, it dials them itself. @defaultValue true */
  readonly advertised?: boolean
}

/** One row of the bestiary: honest nodes and bad peers in a lab, what the honest ones pull, and what must hold whatever the bad ones do. */
export class Stage implements AsyncDisposable {
  readonly lab: Lab
  readonly content: BlobContent
  readonly layout: PieceLayout
  readonly bad: FakePeer[] = []
  readonly #seed: number
  readonly #options: StageOptions
  readonly #figures = new Map<LabNode, Figures>()
  readonly #hosts = new Map<FakePeer, VirtualNode>()
  readonly #rejections: unknown[] = []
  readonly #pulled = new Set<BlobContent>()
  readonly #onRejection = (reason: unknown): void => void this.#rejections.push(reason)
  #badHosts = 0

  /** @param pieces - of the blob that all are about */
  constructor(seed: number, pieces: number, options: StageOptions = {}) {
    this.#seed = seed
    this.#options = options
    this.lab = new Lab(seed, { latencyMs: () => 5, originBytesPerSecond: bytesPerSecond, ...options })
    this.content = sharedContent(seed, pieces * 256 * kib)
    this.layout = pieceLayout(this.content.sizeBytes)
    assert.equal(this.layout.pieceCount, pieces)
    process.on('unhandledRejection', this.#onRejection)
  }

  /** What bad peers may cost an honest node in bytes, as docs/spec/claims.md has it: the budget, and what was under way when it was reached. */
  get budgetBytes(): number {
    const { sizeBytes, pieceLength } = this.layout
    return Math.max(4 * pieceLength, sizeBytes / 10) + this.bad.length * limits.dataStreams * pieceLength
  }

  async node(swarm: SwarmOptions = {}): Promise<LabNode> {
    const figures = new Figures()
    const node = await this.lab.addNode({ swarm: { metrics: figures, ...swarm } })
    this.#figures.set(node, figures)
    return node
  }

  /** A node that has the blob. */
  async seeder(content: BlobContent = this.content): Promise<LabNode> {
    const node = await this.node()
    const { time, origin } = this.lab
    const layer = { digest: content.digest, size: content.sizeBytes, origin: origin.of(content, node) }
    await time.until(node.swarm.fetchLayer(layer).then((blob) => blob.close()))
    this.#pulled.add(content)
    origin.sentBytes.clear()
    return node
  }

  /** A peer that behaves as it is told, on a host of its own. */
  async badPeer(script: Partial<PeerScript> & { readonly answer: PieceAnswer }, options: BadPeerOptions = {}): Promise<FakePeer> {
    const { time, directory } = this.lab
    const host = options.as && this.#hosts.get(options.as)
    if (options.as) await time.until(options.as[Symbol.asyncDispose]())
    const node = host ?? (await this.badHost(options))
    const peer = await time.until(FakePeer.over(node.asLibp2p, node.loop, { content: this.content, ...script }))
    this.bad.push(peer)
    this.#hosts.set(peer, node)
    if (options.advertised ?? true) directory.advertise({ peerId: peer.peerId, addresses: [node.address] }, [peer.content.digest])
    return peer
  }

  /** A host without a node: a test says what it does. */
  async badHost({ identity, address }: BadPeerOptions = {}): Promise<VirtualNode> {
    const { time, network, random } = this.lab
    const number = ++this.#badHosts
    const loop = new NodeLoop(time, { monotonicMs: 1000 * random.below(1000), wallMs: 1_750_000_000_000 })
    const node = new VirtualNode({
      network,
      name: `bad${number}`,
      address: address ?? `/ip4/10.66.${number >> 8}.${number & 255}/tcp/4001`,
      identity: identity ?? (await identityOf(1000 + number)),
      loop,
      uplink: new Card(bytesPerSecond),
      downlink: new Card(bytesPerSecond),
    })
    network.listen(node)
    return node
  }

  /** Somebody who comes before the nodes of the lab as the blob's tracker. */
  async tracker(): Promise<Identity> {
    const identities = await Promise.all(Array.from({ length: 128 }, (_, number) => identityOf(2000 + number)))
    const ranked = identities.map((identity) => ({
      identity,
      distance: Buffer.from(placeOf(identity.peerId.toMultihash().bytes).map((byte, index) => byte ^ (digestToBytes(this.content.digest)[index] ?? 0))),
    }))
    const [nearest] = ranked.toSorted((a, b) => Buffer.compare(a.distance, b.distance))
    if (!nearest) throw new TypeError('nobody was made')
    return nearest.identity
  }

  /** Where a bad peer runs: what a test does there goes past its script. */
  hostOf(peer: FakePeer): VirtualNode {
    const host = this.#hosts.get(peer)
    if (!host) throw new TypeError('the peer is on no host of this stage')
    return host
  }

  figures(node: LabNode): Figures {
    const figures = this.#figures.get(node)
    if (!figures) throw new TypeError(`${node.name} has no figures`)
    return figures
  }

  /** Whom a node banned, with the reason. */
  bans(node: LabNode): { peerId: string | undefined; reason: unknown }[] {
    const banned = node.told.filter(({ name }) => name === 'peer:banned') as { peerId?: string; reason?: unknown }[]
    return banned.map(({ peerId, reason }) => ({ peerId, reason }))
  }

  /** Bytes that the origin sent of the blob. */
  get originBytes(): number {
    return this.lab.origin.sentBytes.get(this.content.digest) ?? 0
  }

  /** What a node that knows nobody takes for the blob, from an origin like this one's. */
  async originOnlyMs(): Promise<number> {
    await using alone = new Stage(this.#seed, this.layout.pieceCount, this.#options)
    return (await alone.pull(await alone.node())).tookMs
  }

  /** A node gets a blob, as a whole and as a stream; each byte is checked at its place, and none comes before it is proven. */
  async pull(node: LabNode, options: PullOptions = {}): Promise<Pull> {
    return this.lab.time.until(this.#pull(node, options))
  }

  /** The same; something happens when it has begun. */
  async pullWhile(node: LabNode, happens: () => void, options: PullOptions = {}): Promise<Pull> {
    const { time } = this.lab
    const pull = this.#pull(node, options)
    await time.run(time.now + 50)
    happens()
    return time.until(pull)
  }

  /** Several nodes at once. */
  async pullAll(nodes: readonly LabNode[], options: PullOptions = {}): Promise<Pull[]> {
    return this.lab.time.until(Promise.all(nodes.map((node) => this.#pull(node, options))))
  }

  /** A node has a blob no more. */
  async forget(node: LabNode, { digest }: BlobContent): Promise<void> {
    await this.lab.time.until(node.store.delete(digest))
    node.committed.delete(digest)
  }

  /** What must hold at the end of every row. */
  async [Symbol.asyncDispose](): Promise<void> {
    process.off('unhandledRejection', this.#onRejection)
    const { time, nodes } = this.lab
    const honest = new Set(nodes.map(({ peerId }) => peerId))
    for (const node of nodes) {
      assert.deepEqual(this.bans(node).filter(({ peerId }) => honest.has(peerId ?? '')), [], 'no honest peer is banned')
      assert.deepEqual(node.leaks, [], 'no secret is logged')
      await this.#checkStore(node)
    }
    for (const node of nodes) if (node.running) assert.deepEqual(await time.until(node.stop()), nothing, 'nothing is left of a node')
    for (const peer of this.bad) await time.until(peer[Symbol.asyncDispose]())
    await time.run(time.now + 1000)
    for (const node of nodes) assert.equal(node.running ? node.libp2p.streamCount : 0, 0, 'no stream is left open')
    assert.deepEqual(this.#rejections, [], 'every rejection is taken')
  }

  async #pull(node: LabNode, { origin = true, content = this.content }: PullOptions): Promise<Pull> {
    const { time } = this.lab
    const startedMs = time.now
    this.#pulled.add(content)
    const layer = { digest: content.digest, size: content.sizeBytes, ...(origin && { origin: this.lab.origin.of(content, node) }) }
    const [blob] = await Promise.all([node.swarm.fetchLayer(layer), this.#readProven(node, content, node.swarm.streamLayer(layer))])
    const tookMs = time.now - startedMs
    await blob.close()
    return { stats: blob.stats, tookMs }
  }

  async #checkStore({ disk, committed }: LabNode): Promise<void> {
    const known = new Map<string, BlobContent>([...this.#pulled, this.content].map((content) => [content.digest, content]))
    for await (const digest of disk.backend.list()) {
      const content = known.get(digest)
      assert.ok(content, `nobody asked for ${digest}`)
      const bytes = await disk.backend.read(digest, { offset: 0, length: content.sizeBytes })
      assert.equal(Buffer.compare(bytes, content.read({ offset: 0, length: content.sizeBytes })), 0, 'what is stored is what its name says')
      committed.delete(digest)
    }
    assert.deepEqual([...committed], [], 'what was stored is not lost')
  }

  /** Until the blob is whole, nothing is read but what the origin gave last, and never the last piece. */
  async #readProven(node: LabNode, content: BlobContent, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const { digest, sizeBytes } = content
    const layout = pieceLayout(sizeBytes)
    const from = new Map<number, string>()
    const onStored = ({ detail }: CustomEvent<PieceStoredEvent>): void => {
      if (detail.digest === digest) from.set(detail.piece, detail.from)
    }
    node.swarm.addEventListener('piece:stored', onStored)
    let offset = 0
    for await (const chunk of chunks) {
      const wanted = content.read({ offset, length: chunk.byteLength })
      assert.equal(Buffer.compare(chunk, wanted), 0, `the bytes at ${offset} are those of the blob`)
      const last = pieceAt(layout, offset + chunk.byteLength - 1)
      for (let piece = pieceAt(layout, offset); piece <= last && !node.committed.has(digest); piece++) {
        assert.equal(from.get(piece), 'origin', `piece ${piece} is read before the whole is verified`)
        assert.ok(piece < layout.pieceCount - 1, 'the last piece waits for the whole')
      }
      offset += chunk.byteLength
    }
    node.swarm.removeEventListener('piece:stored', onStored)
    assert.equal(offset, sizeBytes, 'the stream ends where the blob does')
  }
}

/** Finds for a node whom a test wants it to find, for every topic, as a DHT does that is somebody else's. */
export function finds(known: readonly KnownPeer[]): DiscoveryPlugin {
  return {
    name: 'dht',
    create: ({ met }) => {
      for (const peer of known) met(peer)
      return {
        name: 'dht',
        provide: async () => {},
        withdraw: async () => {},
        async *findPeers() {
          yield* known
        },
        close: async () => {},
      }
    },
  }
}
