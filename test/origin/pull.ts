import assert from 'node:assert/strict'
import { mediaTypes } from '../../src/core/descriptor.ts'
import { digestOf } from '../../src/core/digest.ts'
import { OriginError, type OriginErrorCode } from '../../src/core/errors.ts'
import type { Origin } from '../../src/core/origin.ts'
import type { Logger } from '../../src/core/log.ts'
import type { Credentials } from '../../src/oci/registries.ts'
import { ManifestResolver } from '../../src/oci/manifest-resolver.ts'
import type { RegistryOptions } from '../../src/oci/registry-settings.ts'
import type { StoredBlob } from '../../src/swarm/stored-blob.ts'
import type { Swarm } from '../../src/swarm/swarm.ts'
import type { PeerBannedEvent } from '../../src/swarm/swarm-events.ts'
import type { BlobContent } from '../../src/testing/seeded-content.ts'
import type { TestImage } from '../../src/testing/test-image.ts'
import { ManualClock } from '../oci/manual-clock.ts'
import { eventOf, TestNodes } from '../support/nodes.ts'

/** What a row needs of a registry, whichever server plays it. */
interface Host {
  readonly host: string
}

/** Settings of {@link Pull.open}. */
export interface PullOptions {
  /** Of the registries beside `insecure`, which all have unless they say otherwise. */
  settings?: RegistryOptions | undefined
  credentials?: Credentials | undefined
  /** What the peer has from the start. */
  peerHas?: readonly BlobContent[] | undefined
  /** The node too is on the clock that the row moves; it is then alone. */
  nodeOnClock?: boolean | undefined
}

/**
 * A node that pulls from a registry that misbehaves, on a clock of the registry's client that the row moves, with one innocent peer.
 * Whatever becomes of the pull: no wrong byte is in the store at the end, and the peer is as welcome as before.
 */
export class Pull implements AsyncDisposable {
  readonly clock: ManualClock
  /** What was logged, each line as JSON. */
  readonly lines: string[]
  readonly node: Swarm
  readonly peer: Swarm
  readonly #nodes: TestNodes
  readonly #contents: readonly BlobContent[]
  readonly #banned: PeerBannedEvent[] = []

  private constructor(nodes: TestNodes, made: { node: Swarm; peer: Swarm; contents: readonly BlobContent[] }, clock: ManualClock, lines: string[]) {
    this.#nodes = nodes
    this.node = made.node
    this.peer = made.peer
    this.#contents = made.contents
    this.clock = clock
    this.lines = lines
    for (const swarm of [this.node, this.peer]) swarm.addEventListener('peer:banned', ({ detail }) => this.#banned.push(detail))
  }

  /** @param contents - blobs that the row is about */
  static async open(registries: readonly Host[], contents: readonly BlobContent[], options: PullOptions = {}): Promise<Pull> {
    const clock = new ManualClock()
    const lines: string[] = []
    const nodes = new TestNodes()
    const note = (message: string, facts: unknown = {}): void => void lines.push(JSON.stringify([message, facts], printError))
    const logger: Logger = { debug: note, info: note, warn: note }
    const { settings, credentials = 'anonymous', peerHas = [], nodeOnClock = false } = options
    const resolver = new ManifestResolver({
      registries: Object.fromEntries(registries.map(({ host }) => [host, { insecure: true, ...settings }])),
      credentials,
      clock,
      logger,
    })
    const node = await nodes.start([], { resolver, logger, ...(nodeOnClock && { clock }) })
    const peer = await nodes.start(nodeOnClock ? [] : [node], { origin: 'never' })
    nodes.use({ [Symbol.asyncDispose]: () => resolver.close() })
    if (!nodeOnClock && node.stats().links.length === 0) await eventOf(node, 'peer:linked')
    for (const content of peerHas) await peer.seed({ blob: { mediaType: mediaTypes.octetStream, digest: content.digest, size: content.sizeBytes }, bytes: all(content) })
    return new Pull(nodes, { node, peer, contents }, clock, lines)
  }

  /** Fetches a blob that the registry should have, jumping over waits that its client makes. */
  layer(registry: Host, content: BlobContent, repository = 'team/app'): Promise<StoredBlob> {
    return this.clock.skipping(this.layerInTime(registry, content, repository))
  }

  /** Likewise, on a clock that the row moves itself. */
  layerInTime(registry: Host, content: BlobContent, repository = 'team/app'): Promise<StoredBlob> {
    const { digest, sizeBytes } = content
    return this.layerFrom(this.node.resolver.blobOrigin(`${registry.host}/${repository}`, digest, sizeBytes), content)
  }

  layerFrom(origin: Origin, { digest, sizeBytes }: BlobContent): Promise<StoredBlob> {
    return this.node.fetchLayer({ digest, size: sizeBytes, origin })
  }

  image(registry: Host, tag = 'v1'): Promise<unknown> {
    return this.clock.skipping(this.node.fetchImage(`${registry.host}/team/app:${tag}`, { platform: 'linux/amd64' }))
  }

  /** Rejects with this failure of the origin, be it alone or as the reason why no source was left. */
  async fails(pull: Promise<unknown>, code: OriginErrorCode): Promise<OriginError> {
    const error: unknown = await pull.then(() => assert.fail('it came to a good end'), (reason: unknown) => reason)
    const failure = error instanceof OriginError ? error : error instanceof Error ? error.cause : undefined
    assert.ok(failure instanceof OriginError, String(error instanceof Error ? error.stack : error))
    assert.equal(failure.code, code, failure.stack)
    return failure
  }

  /** Every byte is the right one at its place. */
  async exact(blob: StoredBlob, content: BlobContent): Promise<void> {
    await this.exactly(blob.stream(), content)
    await blob.close()
  }

  async exactly(chunks: AsyncIterable<Uint8Array>, content: BlobContent): Promise<void> {
    let offset = 0
    for await (const chunk of chunks) {
      const expected = content.read({ offset, length: chunk.byteLength })
      assert.ok(Buffer.compare(chunk, expected) === 0, `other bytes than the right ones from ${offset} on`)
      offset += chunk.byteLength
    }
    assert.equal(offset, content.sizeBytes)
  }

  /** What every row ends with. */
  async innocent(): Promise<void> {
    assert.deepEqual(this.#banned, [])
    assert.deepEqual(this.node.stats().links.map(({ peerId }) => peerId), [this.peer.peerId])
    for (const { digest } of this.#contents) {
      for (const peer of this.node.explain(digest).peers) assert.equal(peer.distrusted, false)
      if (!(await this.node.store.stat(digest))) continue
      const chunks: Uint8Array[] = []
      for await (const chunk of this.node.store.stream(digest)) chunks.push(chunk)
      assert.equal(digestOf(Buffer.concat(chunks)), digest)
    }
    assert.ok(this.lines.every((line) => line.length <= 4096), 'a line of the log is longer than 4 KiB')
  }

  async isStored(content: BlobContent): Promise<boolean> {
    return (await this.node.store.stat(content.digest)) !== undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#nodes[Symbol.asyncDispose]()
  }
}

/** The blobs of an image, as contents. */
export function contentsOf(image: TestImage): BlobContent[] {
  return [image.config, ...image.layers].flatMap(({ digest }) => image.content(digest) ?? [])
}

async function* all(content: BlobContent): AsyncGenerator<Uint8Array> {
  yield content.read({ offset: 0, length: content.sizeBytes })
}

function printError(_: string, value: unknown): unknown {
  return value instanceof Error ? { name: value.name, message: value.message, cause: value.cause } : value
}
