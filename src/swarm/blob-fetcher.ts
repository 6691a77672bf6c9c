import type { ByteRange } from '../core/byte-range.ts'
import { maxBlobBytes, mediaTypes } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import { RequestError } from '../core/errors.ts'
import type { AbortOptions } from '../core/options.ts'
import { SharedAttempts } from '../core/shared-attempts.ts'
import type { LinkId } from '../engine/session-event.ts'
import type { Join } from '../wire/messages.ts'
import type { BlobSession } from './blob-session.ts'
import type { InlineBlobs } from './inline-blobs.ts'
import { openLoading, openStored, type OpenBlob } from './open-blob.ts'
import type { SessionTable } from './session-table.ts'
import type { FoundSize, SizeFinder } from './size-finder.ts'
import { holdBlob, type StoredBlob } from './stored-blob.ts'
import type { LinkEntry, SwarmContext } from './swarm-context.ts'
import type { TopicTable } from './topic-table.ts'
import { TransferAccount } from './transfer-account.ts'
import type { TransferTask } from './transfer-task.ts'
import type { FetchOptions, FoundLayer, LayerRequest } from './transfer.ts'

/** Peers whose word on a blob's size may turn out wrong before the fetch fails. */
const maxWrongSizes = 3

/** A blob to fetch; its size may have to be found. */
export interface BlobRequest extends Omit<LayerRequest, 'size'> {
  readonly size?: number | undefined
  /** What others who want it gather around. */
  readonly topic: Digest
  /** Where its size is found, nothing larger is accepted. */
  readonly maxBytes?: number | undefined
  /** The name under which it is wanted. @defaultValue that of its origin */
  readonly repository?: string | undefined
  /** It is no part of an image that was asked for. */
  readonly alone?: boolean | undefined
}

type Loading = { readonly session: BlobSession; readonly task: TransferTask }

/** Brings blobs here: from the store if they are there, else by a session that all who want the blob share. */
export class BlobFetcher {
  readonly #context: SwarmContext
  readonly #sessions: SessionTable
  readonly #topics: TopicTable
  readonly #sizes: SizeFinder
  readonly #inline: InlineBlobs
  /** What loads, once for each who waits for it, by what others gather around who want it too. */
  readonly #loading = new Map<Digest, BlobSession[]>()
  /** However many wait for a blob of unknown size, it is asked for once. */
  readonly #finding = new SharedAttempts<FoundSize>()

  constructor(init: {
    context: SwarmContext
    sessions: SessionTable
    topics: TopicTable
    sizes: SizeFinder
    inline: InlineBlobs
  }) {
    this.#context = init.context
    this.#sessions = init.sessions
    this.#topics = init.topics
    this.#sizes = init.sizes
    this.#inline = init.inline
  }

  /** Resolves when the blob is whole, verified and in the store. */
  async fetch(request: BlobRequest, options: FetchOptions): Promise<StoredBlob> {
    options.signal?.throwIfAborted()
    const stored = await this.#stored(request)
    if (stored) return stored
    if (request.alone) this.#offerAlone(request)
    return this.#withSize(request, options, (size) =>
      this.#load(request, size, async ({ session, task }) => {
        const { sizeBytes } = size
        const stats = await task.finish(request.origin, options)
        this.#inline.learn(request.topic, request.digest, sizeBytes)
        const { access: { private: isPrivate }, mediaType } = session
        return holdBlob(this.#context.store, request.digest, { sizeBytes, private: isPrivate, mediaType }, stats)
      }),
    )
  }

  /** The blob's bytes in order, while it loads. */
  async *stream(request: BlobRequest, options: FetchOptions, range?: ByteRange): AsyncGenerator<Uint8Array> {
    await using blob = await this.open(request, options)
    yield* blob.stream(range, options)
  }

  /** Loads the blob, if it is not here, for as long as what this resolves to is open: when its size is known. */
  async open(request: BlobRequest, options: FetchOptions): Promise<OpenBlob> {
    options.signal?.throwIfAborted()
    const stored = await this.#stored(request)
    if (stored) return openStored(stored, (again) => this.#openAnew(request, again))
    return this.#openAnew(request, options)
  }

  /** What is known of the blob, here or elsewhere; nothing of it is loaded. */
  async stat(request: BlobRequest, options: AbortOptions): Promise<FoundLayer> {
    const stored = await this.#stored(request)
    await stored?.close()
    return stored ?? { sizeBytes: (await this.#findSize(request, options, new Set())).sizeBytes, mediaType: request.mediaType }
  }

  async #openAnew(request: BlobRequest, options: FetchOptions): Promise<OpenBlob> {
    if (request.alone) this.#offerAlone(request)
    const size = await this.#findSize(request, options, new Set())
    const { session, task } = await this.#open(request, size)
    const leave = task.join(request.origin)
    const stopLooking = this.#lookForPeers(request, session)
    this.#takeInline(session)
    return openLoading(session, () => {
      leave()
      stopLooking()
      this.#sessions.leave(session)
    })
  }

  /** A peer gathers from now on around a topic: what is loaded for it, the peer may have by now. */
  joined(entry: LinkEntry, join: Join): void {
    for (const session of new Set(this.#loading.get(join.topic))) session.receive(entry, join)
  }

  /** Others who gather around a manifest are looked for, if it may be named: what they have is about to be wanted. */
  gather(topic: Digest, manifest: { readonly private: boolean; readonly repositories: readonly string[] }): void {
    if (!this.#context.sharing.mayName(manifest)) return
    this.#topics.enter(topic)
    void this.#topics.look(topic)
  }

  /** Others get it as it comes, if it may be offered. */
  #offerAlone({ digest, size = 0, mediaType = mediaTypes.octetStream, ...request }: BlobRequest): void {
    const image = { digest, repository: nameOf(request), blobs: [{ digest, size, mediaType }] }
    void this.#context.sharing.offering(image)
  }

  async #stored({ digest, size, ...request }: BlobRequest): Promise<StoredBlob | undefined> {
    const facts = await this.#context.store.stat(digest)
    if (!facts) return undefined
    const repository = nameOf(request)
    checkSize(digest, size, facts.sizeBytes)
    if (repository !== undefined && !facts.repositories?.includes(repository)) {
      await this.#context.store.addRepository(digest, repository)
      this.#sessions.named(digest, repository)
    }
    const account = new TransferAccount(facts.sizeBytes, facts.sizeBytes, 0)
    return holdBlob(this.#context.store, digest, facts, account.stats(0))
  }

  async #open(request: BlobRequest, { sizeBytes, private: isPrivate }: FoundSize): Promise<Loading> {
    const { digest, mediaType } = request
    const repository = nameOf(request)
    const known = isPrivate || this.#context.sharing.isPrivateName(repository)
    const loading = await this.#sessions.want({ digest, sizeBytes, mediaType, repository, private: request.private || known })
    try {
      checkSize(digest, sizeBytes, loading.session.layout.sizeBytes)
    } catch (error) {
      this.#sessions.leave(loading.session)
      throw error
    }
    return loading
  }

  async #load<Result>(
    request: BlobRequest,
    size: FoundSize,
    use: (loading: Loading) => Promise<Result>,
  ): Promise<Result> {
    const loading = await this.#open(request, size)
    const stopLooking = this.#lookForPeers(request, loading.session)
    try {
      const using = use(loading)
      // What came before is counted from when somebody wants it.
      this.#takeInline(loading.session)
      return await using
    } finally {
      stopLooking()
      this.#sessions.leave(loading.session)
    }
  }

  #takeInline(session: BlobSession): void {
    const inline = this.#inline.get(session.digest)
    if (inline) void session.takeInline(inline)
  }

  /** A private blob of an open network is looked for nowhere: to ask for it would tell who has it. Who has a grant asks its links. */
  #lookForPeers({ topic }: BlobRequest, session: BlobSession): () => void {
    if (!session.access.mayName) {
      // Not at once: who begins to want it afterwards would wait for a search that is not made.
      const searched = session.access.mayAsk ? this.#topics.dialsDone() : Promise.resolve()
      void searched.then(() => session.settle())
      return () => {}
    }
    this.#topics.enter(topic)
    const stop = this.#topics.load(topic)
    const loading = this.#loading.get(topic) ?? []
    this.#loading.set(topic, loading)
    loading.push(session)
    void this.#topics.look(topic).then(() => session.settle())
    return () => {
      stop()
      loading.splice(loading.indexOf(session), 1)
      if (loading.length === 0) this.#loading.delete(topic)
      // It turned out to be private, or not to be offered: that we gather around it is not to be known either.
      if (!session.access.mayName || this.#context.sharing.isRefused(topic)) void this.#topics.leave(topic)
    }
  }

  async #withSize<Result>(
    request: BlobRequest,
    options: FetchOptions,
    use: (size: FoundSize) => Promise<Result>,
  ): Promise<Result> {
    const distrusted = new Set<LinkId>()
    for (;;) {
      const size = await this.#findSize(request, options, distrusted)
      try {
        return await use(size)
      } catch (error) {
        // Whatever failed: a size that is a lie may also be more than the store can hold.
        if (size.link === undefined || distrusted.size >= maxWrongSizes || options.signal?.aborted) throw error
        distrusted.add(size.link)
      }
    }
  }

  async #findSize(
    request: BlobRequest,
    options: FetchOptions,
    distrusted: ReadonlySet<LinkId>,
  ): Promise<FoundSize> {
    const { digest, size } = request
    const sizeBytes = size ?? this.#sessions.get(digest)?.layout.sizeBytes
    if (sizeBytes !== undefined) return { sizeBytes, link: undefined, private: false }
    const key = [digest, request.maxBytes, request.origin?.name, ...distrusted].join()
    return this.#finding.join(key, (signal) => this.#askForSize(request, distrusted, signal), options.signal)
  }

  async #askForSize(
    { digest, topic, origin, maxBytes = maxBlobBytes, ...request }: BlobRequest,
    distrusted: ReadonlySet<LinkId>,
    signal: AbortSignal,
  ): Promise<FoundSize> {
    const inline = this.#inline.get(digest)
    if (inline && inline.bytes.byteLength <= maxBytes) return { sizeBytes: inline.bytes.byteLength, link: undefined, private: false }
    const { sharing } = this.#context
    const repository = nameOf({ ...request, origin })
    const repositories = repository === undefined ? [] : [repository]
    const blob = { private: request.private ?? sharing.isPrivateName(repository), repositories }
    if (!sharing.mayName(blob)) {
      const settled = this.#topics.dialsDone()
      return this.#sizes.find(digest, { origin, maxBytes, settled, distrusted, signal, repositories, asksLinks: sharing.mayAsk(blob) })
    }
    this.#topics.enter(topic)
    const stop = this.#topics.load(topic)
    try {
      const settled = this.#topics.look(topic)
      return await this.#sizes.find(digest, { origin, maxBytes, settled, distrusted, signal, repositories, asksLinks: true })
    } finally {
      stop()
    }
  }
}

function nameOf({ repository, origin }: Pick<BlobRequest, 'repository' | 'origin'>): string | undefined {
  return repository ?? origin?.name
}

function checkSize(digest: Digest, expected: number | undefined, actual: number): void {
  if (expected === undefined || expected === actual) return
  throw new RequestError(
    'ERR_REQUEST_SIZE',
    `${digest} has ${actual} bytes here, and was asked for with ${expected}: one of the two descriptors is wrong`,
  )
}
