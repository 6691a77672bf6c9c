import type { Digest } from '../core/digest.ts'
import { pieceLayout } from '../core/piece-layout.ts'
import type { LinkId } from '../engine/session-event.ts'
import type { BitfieldMessage, ControlMessage } from '../wire/messages.ts'
import { limits } from '../wire/protocol.ts'
import { BlobSession } from './blob-session.ts'
import { emptyCopy, type LinkEntry, type SwarmContext } from './swarm-context.ts'
import { TransferTask } from './transfer-task.ts'

/** What is needed to open a blob that is not in the store. */
export interface OpenRequest {
  readonly digest: Digest
  readonly sizeBytes: number
  readonly mediaType?: string | undefined
  readonly private?: boolean | undefined
  /** The name under which it is wanted. */
  readonly repository?: string | undefined
}

/** Loads for itself what peers ask for and this node does not have. */
export interface BlobRelay {
  /** @param again - takes the message in once more, when there is something to answer with */
  wanted(entry: LinkEntry, message: BitfieldMessage, again: () => void): void
}

interface Open {
  readonly session: BlobSession
  readonly task: TransferTask
  /** Those who wanted it and have not left. */
  callers: number
}

/** The sessions of this node: at most one a blob, opened by a caller here or by a peer who asks for what the store has. */
export class SessionTable {
  readonly #context: SwarmContext
  readonly #open = new Map<Digest, Open>()
  readonly #opening = new Map<Digest, Promise<Open | undefined>>()
  /** Messages of a peer that wait for one before them. */
  readonly #inboxes = new Map<LinkId, Promise<void>>()
  #closed = false
  #relay: BlobRelay | undefined

  constructor(context: SwarmContext) {
    this.#context = context
  }

  /** From now on what is not here is loaded for those who ask for it. */
  relayBy(relay: BlobRelay): void {
    this.#relay = relay
  }

  get(digest: Digest): BlobSession | undefined {
    return this.#open.get(digest)?.session
  }

  all(): BlobSession[] {
    return [...this.#open.values()].map(({ session }) => session)
  }

  /** The session of a blob that a caller wants, new or shared; it stays open until the caller leaves. */
  async want(request: OpenRequest): Promise<Open> {
    for (;;) {
      const open = await this.#ensure(request.digest, request)
      // Somebody else's attempt may have found nothing to serve, or have ended before we could join it.
      if (!open || (open.session.closed && !this.#closed)) continue
      // Whoever keeps the store's blobs may have deleted it behind our back.
      if (open.session.complete && !(await this.#context.store.stat(request.digest))) {
        this.lost(open.session)
        continue
      }
      open.callers++
      if (request.private) await open.session.becomePrivate(false)
      if (request.repository !== undefined) name(open.session, request.repository)
      return open
    }
  }

  /** A caller who wanted the session needs it no more. */
  leave(session: BlobSession): void {
    const open = this.#open.get(session.digest)
    if (open?.session === session) open.callers--
    this.release(session)
  }

  /** A blob that is here was asked for under a name. */
  named(digest: Digest, repository: string): void {
    const session = this.get(digest)
    if (session) name(session, repository)
  }

  /** Who may read may have changed: for these blobs, or for all. */
  reconsider(digests?: readonly Digest[]): void {
    const sessions = digests ? digests.map((digest) => this.get(digest)) : this.all()
    for (const session of sessions) session?.reconsider()
  }

  attach(entry: LinkEntry): void {
    for (const { session } of this.#open.values()) session.attach(entry)
  }

  detach(link: LinkId): void {
    for (const { session } of this.#open.values()) {
      session.detach(link)
      this.release(session)
    }
  }

  /** A peer's message about a blob; those of one peer are taken in as they came, though some have to wait for the store. */
  receive(entry: LinkEntry, message: ControlMessage & { digest: Digest }): void {
    if (entry.guest) return turnAway(entry, message)
    const before = this.#inboxes.get(entry.id)
    if (!before && this.#receiveNow(entry, message)) return
    const after = (before ?? Promise.resolve())
      .then(() => this.#receiveLater(entry, message))
      .catch((error: unknown) => this.#context.logger.warn('a blob could not be opened', { error }))
      .finally(() => {
        if (this.#inboxes.get(entry.id) === after) this.#inboxes.delete(entry.id)
      })
    this.#inboxes.set(entry.id, after)
  }

  /** False when the store must be asked first. */
  #receiveNow(entry: LinkEntry, message: ControlMessage & { digest: Digest }): boolean {
    // Its link may have ended while the message waited.
    if (!this.#context.links.has(entry.id)) return true
    const open = this.#open.get(message.digest)
    const asks = message.type === 'bitfield' && message.wants
    if (!open) return !asks
    const { session } = open
    if (session.admits(entry)) {
      session.attach(entry)
      session.receive(entry, message)
      this.#countDemand(entry, message)
      this.release(session)
    } else if (asks) {
      entry.link.send(emptyCopy(message.digest, message.sizeBytes))
      // Who may read after all is told then; who may not has been told what all are.
      void this.#context.sharing.pending(entry, session.access)?.then((may) => may && this.receive(entry, message))
      this.release(session)
    }
    return true
  }

  /** What is not here, withheld or unknown is answered alike. */
  async #receiveLater(entry: LinkEntry, message: ControlMessage & { digest: Digest }): Promise<void> {
    if (this.#receiveNow(entry, message) || message.type !== 'bitfield') return
    const open = await this.#ensure(message.digest)
    if (open) this.#receiveNow(entry, message)
    else if (this.#relay) this.#relay.wanted(entry, message, () => this.receive(entry, message))
    else entry.link.send(emptyCopy(message.digest, message.sizeBytes))
  }

  /** Bounds what a peer makes us keep: of too many blobs that it wants to hear of, the oldest is forgotten. */
  #countDemand(entry: LinkEntry, message: ControlMessage & { digest: Digest }): void {
    const { type, digest } = message
    if (type !== 'bitfield' && type !== 'forget') return
    entry.blobs.delete(digest)
    if (type === 'bitfield' && message.wants && message.sizeBytes > 0) entry.blobs.add(digest)
    const [oldest] = entry.blobs
    if (entry.blobs.size > limits.blobsPerPeer && oldest) this.#receiveNow(entry, { type: 'forget', digest: oldest })
  }

  /** The session that may serve a blob to peers, opened from the store if need be. */
  async serving(digest: Digest): Promise<BlobSession | undefined> {
    const open = this.#open.get(digest) ?? (await this.#ensure(digest))
    return open?.session
  }

  /** Closes a session that nobody needs. */
  release(session: BlobSession): void {
    const open = this.#open.get(session.digest)
    if (open?.session === session && open.callers === 0 && session.idle) this.#end(session)
  }

  /** The store has a blob no more that was whole: whoever wants it, here or elsewhere, begins anew. */
  lost(session: BlobSession): void {
    const { digest, layout } = session
    if (this.#open.get(digest)?.session !== session) return
    const told = [...this.#context.links.values()].filter((entry) => !entry.guest && session.admits(entry))
    this.#end(session)
    for (const { link } of told) link.send(emptyCopy(digest, layout.sizeBytes))
  }

  #end(session: BlobSession): void {
    this.#open.delete(session.digest)
    // A new session of the same blob waits until this one has let go of the part.
    const closing = session.close().then(() => undefined)
    this.#opening.set(session.digest, closing)
    void closing.finally(() => {
      if (this.#opening.get(session.digest) === closing) this.#opening.delete(session.digest)
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.allSettled(this.#opening.values())
    await Promise.all(this.all().map((session) => session.close()))
    this.#open.clear()
  }

  async #ensure(digest: Digest, request?: OpenRequest): Promise<Open | undefined> {
    const open = this.#open.get(digest)
    if (open) return open
    const before = this.#opening.get(digest)
    if (before) {
      await before.catch(() => {})
      return this.#ensure(digest, request)
    }
    const opening = this.#openSession(digest, request)
    this.#opening.set(digest, opening)
    try {
      return await opening
    } finally {
      if (this.#opening.get(digest) === opening) this.#opening.delete(digest)
    }
  }

  async #openSession(digest: Digest, request?: OpenRequest): Promise<Open | undefined> {
    const { store } = this.#context
    const facts = await store.stat(digest)
    if (!facts && !request) return undefined
    const sizeBytes = facts?.sizeBytes ?? request?.sizeBytes ?? 0
    const part = facts ? undefined : await store.part(digest, sizeBytes)
    const session = new BlobSession(this.#context, {
      digest,
      layout: pieceLayout(sizeBytes),
      mediaType: facts?.mediaType ?? request?.mediaType,
      part,
      private: facts?.private ?? part?.private ?? false,
      // Nobody remembers from where the private part of an unfinished blob came.
      repositories: facts?.repositories ?? (part?.private ? [''] : []),
    })
    const open = { session, task: new TransferTask(session), callers: 0 }
    if (this.#closed) {
      await session.close()
      return open
    }
    if (part && request?.private) await session.becomePrivate(false)
    if (part && request?.repository !== undefined) name(session, request.repository)
    this.#open.set(digest, open)
    for (const entry of this.#context.links.values()) session.attach(entry)
    return open
  }
}

/** No blob moves over the link of a guest. */
function turnAway(entry: LinkEntry, message: ControlMessage & { digest: Digest }): void {
  if (message.type === 'bitfield' && message.wants) entry.link.send(emptyCopy(message.digest, message.sizeBytes))
}

/** A name may close a blob to peers. */
function name(session: BlobSession, repository: string): void {
  if (session.access.named(repository, session.complete)) session.reconsider()
}
