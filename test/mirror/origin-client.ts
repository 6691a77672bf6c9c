import assert from 'node:assert/strict'
import { mediaTypes } from '../../src/core/descriptor.ts'
import { digestOf } from '../../src/core/digest.ts'
import type { RegistryMirror, RegistryMirrorOptions } from '../../src/mirror/registry-mirror.ts'
import { ManifestResolver } from '../../src/oci/manifest-resolver.ts'
import type { RegistryOptions } from '../../src/oci/registry-settings.ts'
import { memoryBackend } from '../../src/store/memory-backend.ts'
import { PieceStore } from '../../src/store/piece-store.ts'
import type { StorageBackend } from '../../src/store/storage-backend.ts'
import type { NetworkOptions } from '../../src/swarm/swarm-init.ts'
import type { Swarm } from '../../src/swarm/swarm.ts'
import { contentOf, type BlobContent } from '../../src/testing/seeded-content.ts'
import type { TestImage } from '../../src/testing/test-image.ts'
import { ManualClock } from '../oci/manual-clock.ts'
import type { FakeRegistry } from '../origin/fake-registry.ts'
import { eventOf, TestNodes } from '../support/nodes.ts'
import { mirrorOf, registry as name } from './mirror-fixture.ts'

/** Settings of {@link OriginClient.open}. */
export interface OriginClientOptions {
  /** Of the registry beside its address. */
  readonly settings?: RegistryOptions | undefined
  /** Has the same, and is asked before the registry. */
  readonly before?: FakeRegistry | undefined
  readonly auth?: RegistryMirrorOptions['auth']
  /** A linked peer, with these from the start. */
  readonly peerHas?: readonly BlobContent[] | undefined
  readonly network?: NetworkOptions | undefined
  /** The node too is on the clock that the row moves; it is then alone. */
  readonly nodeOnClock?: boolean | undefined
}

/**
 * A client of a mirror whose registry misbehaves; what waits for the registry does so on a clock that the row moves. Whatever it got, at the end the
 * store holds nothing that is not what its digest says.
 */
export class OriginClient implements AsyncDisposable {
  readonly clock: ManualClock
  readonly mirror: RegistryMirror
  readonly node: Swarm
  /** Without `peerHas`, the node itself. */
  readonly peer: Swarm
  readonly #nodes: TestNodes
  readonly #backend: StorageBackend

  private constructor(nodes: TestNodes, backend: StorageBackend, clock: ManualClock, parts: { mirror: RegistryMirror; node: Swarm; peer: Swarm }) {
    this.#nodes = nodes
    this.#backend = backend
    this.clock = clock
    this.mirror = parts.mirror
    this.node = parts.node
    this.peer = parts.peer
  }

  static async open({ url }: { readonly url: string }, options: OriginClientOptions = {}): Promise<OriginClient> {
    const { settings, before, auth, peerHas, network, nodeOnClock = false } = options
    const [nodes, clock, backend] = [new TestNodes(), new ManualClock(), memoryBackend()]
    const store = nodes.use(await PieceStore.open(backend))
    const resolver = nodes.use(new ManifestResolver({ credentials: 'anonymous', clock }))
    const node = await nodes.start([], { store, resolver, network, ...(nodeOnClock && { clock }) })
    const upstreams = {
      [name]: { url, insecure: true, ...(before && { mirrors: [before.url] }), ...settings },
      ...(before && { [before.host]: { insecure: true } }),
    }
    const { mirror } = await mirrorOf(nodes, { url }, { swarm: node, mirror: { upstreams, defaultUpstream: name, clock, auth } })
    const peer = peerHas ? await nodes.start([node], { network, origin: 'never' }) : node
    if (peer !== node && node.stats().links.length === 0) await eventOf(node, 'peer:linked')
    const client = new OriginClient(nodes, backend, clock, { mirror, node, peer })
    for (const content of peerHas ?? []) await client.peerGets(content)
    return client
  }

  /** Likewise, once an image that the registry has as `v1` was asked for and its manifest was served. */
  static async withManifest(registry: FakeRegistry, image: TestImage, options: OriginClientOptions = {}): Promise<OriginClient> {
    registry.addImage(image, 'v1')
    const client = await OriginClient.open(registry, options)
    await client.whole(await client.get('manifests/v1'), contentOf(image.manifestBytes))
    return client
  }

  async peerGets(content: BlobContent): Promise<void> {
    const { digest, sizeBytes: size } = content
    await this.peer.seed({ blob: { mediaType: mediaTypes.octetStream, digest, size }, bytes: all(content) })
  }

  /** An answer, jumping over what is waited on its way. */
  get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return this.clock.skipping(this.getInTime(path, headers))
  }

  /** Likewise, on a clock that the row moves itself. */
  getInTime(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return fetch(`${this.mirror.url}/v2/team/app/${path}`, { headers })
  }

  blob({ digest }: Pick<BlobContent, 'digest'>, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return this.get(`blobs/${digest}`, headers)
  }

  /** The answer is all of a content, each byte at its place. */
  async whole(answer: Response, content: BlobContent): Promise<void> {
    await isStatus(answer, 200)
    assert.equal(answer.headers.get('docker-content-digest'), content.digest)
    await this.bytes(answer, content, 0, content.sizeBytes)
  }

  /** The body is this part of a content, each byte at its place. */
  async bytes(answer: Response, content: BlobContent, from: number, to: number): Promise<void> {
    assert.equal(answer.headers.get('content-length'), String(to - from))
    let offset = from
    for await (const chunk of answer.body ?? []) {
      const expected = content.read({ offset, length: Math.min(chunk.byteLength, to - offset) })
      assert.ok(Buffer.compare(chunk, expected) === 0, `other bytes than the right ones from ${offset} on`)
      offset += chunk.byteLength
    }
    assert.equal(offset, to)
  }

  /** The answer is an error of the distribution API; `why` is what it says, in part. */
  async refused(answer: Response, status: number, code: string, why: RegExp = /./): Promise<void> {
    await isStatus(answer, status)
    const { errors } = (await answer.json()) as { errors: { code: string; message: string }[] }
    assert.equal(errors[0]?.code, code)
    assert.match(errors[0]?.message ?? '', why)
  }

  /** Refused with 502 for a failure of the registry of this kind. */
  failed(answer: Response, code: string): Promise<void> {
    return this.refused(answer, 502, 'UNAVAILABLE', new RegExp(code))
  }

  async isStored({ digest }: Pick<BlobContent, 'digest'>): Promise<boolean> {
    return (await this.node.store.stat(digest)) !== undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      for await (const digest of this.#backend.list()) {
        const length = (await this.#backend.stat(digest)) ?? 0
        assert.equal(digestOf(await this.#backend.read(digest, { offset: 0, length })), digest)
      }
    } finally {
      await this.#nodes[Symbol.asyncDispose]()
    }
  }
}

async function isStatus(answer: Response, status: number): Promise<void> {
  if (answer.status !== status) assert.fail(`${answer.status} instead of ${status}: ${(await answer.text()).slice(0, 300)}`)
}

async function* all(content: BlobContent): AsyncGenerator<Uint8Array> {
  yield content.read({ offset: 0, length: content.sizeBytes })
}
