import { Bitfield } from '../core/bitfield.ts'
import type { ByteRange } from '../core/byte-range.ts'
import { digestToBytes, type Digest } from '../core/digest.ts'
import { assertNever, DigestMismatchError } from '../core/errors.ts'
import type { Origin } from '../core/origin.ts'
import { pieceRange, type PieceLayout } from '../core/piece-layout.ts'
import type { Effect } from '../engine/effect.ts'
import type { LinkId } from '../engine/session-event.ts'
import { createSession, type SessionState } from '../engine/session-state.ts'
import type { StoredPart } from '../store/piece-store.ts'
import type { ControlMessage } from '../wire/messages.ts'
import { BlobCopy } from './blob-copy.ts'
import type { InlineBlob } from './inline-blobs.ts'
import type { LeaseListener } from './leases.ts'
import { orderOf } from './node-order.ts'
import type { OriginPiece } from './origin-fetcher.ts'
import { SessionClaims, type ExpectedPiece } from './session-claims.ts'
import { SessionAccess } from './session-access.ts'
import { SessionAudience } from './session-audience.ts'
import { failureOf } from './session-failure.ts'
import { SessionLinks } from './session-links.ts'
import { SharedSlices } from './shared-slices.ts'
import { SessionOrigin } from './session-origin.ts'
import { SessionLoop } from './session-loop.ts'
import type { LinkEntry, SwarmContext } from './swarm-context.ts'
import { TransferAccount } from './transfer-account.ts'

/** What a session is opened with. */
export interface BlobSessionInit {
  readonly digest: Digest
  readonly layout: PieceLayout
  readonly mediaType: string | undefined
  /** Absent for a blob that is in the store. */
  readonly part: StoredPart | undefined
  readonly private: boolean
  /** Names under which it came. */
  readonly repositories: readonly string[]
}

/**
 * One blob on this node: carries out what the engine decides, and tells it what came of it. It alone touches the blob's state,
 * part and requests.
 */
export class BlobSession {
  readonly digest: Digest
  readonly layout: PieceLayout
  readonly mediaType: string | undefined
  /** Who may be told of it, and who may be asked. */
  readonly access: SessionAccess
  readonly #context: SwarmContext
  /** Our place among those that want the blob. */
  readonly #order: Buffer
  readonly #state: SessionState
  readonly #copy: BlobCopy
  readonly #source: SessionOrigin
  readonly #links: SessionLinks
  readonly #claims: SessionClaims
  readonly #loop: SessionLoop
  readonly #audience = new SessionAudience((pieces) => this.#loop.dispatch({ type: 'readers:moved', pieces }))
  readonly #onLease: LeaseListener = (event) => this.#loop.dispatch(event)
  #closed = false
  #failure: unknown
  #account: TransferAccount
  /** Writes, drops and the commit follow each other. */
  #writes: Promise<void> = Promise.resolve()

  constructor(context: SwarmContext, { digest, layout, mediaType, part, ...init }: BlobSessionInit) {
    this.#context = context
    this.digest = digest
    this.layout = layout
    this.mediaType = mediaType
    this.access = new SessionAccess(context.sharing, { digest, ...init })
    this.#order = orderOf(context.selfId, digest)
    this.#copy = new BlobCopy(context.store, digest, layout, part)
    this.#source = new SessionOrigin({
      context,
      digest,
      layout,
      dispatch: (event) => this.#loop.dispatch(event),
      becomePrivate: () => this.becomePrivate(false),
      keep: (piece) => this.#keepFromOrigin(piece),
    })
    const stored = part?.stored.clone() ?? new Bitfield(layout.pieceCount)
    if (!part) stored.fill()
    this.#state = createSession({
      layout,
      stored,
      complete: !part,
      fromOrigin: part?.fromOrigin.clone() ?? new Bitfield(layout.pieceCount),
      originUsable: false,
      startFraction: this.#order.readUInt32BE() / 2 ** 32,
      random: context.random,
      tuning: { inFlightBytes: context.inFlightBytes },
    })
    this.#loop = new SessionLoop(this.#state, context.clock, (effect) => this.#carryOut(effect))
    this.#claims = new SessionClaims({
      context,
      copy: this.#copy,
      state: this.#state,
      dispatch: (event) => this.#loop.dispatch(event),
      refresh: (pieces) => this.#links.refresh(pieces),
      claimed: (pieces) => {
        this.#links.offer(pieces)
        this.#audience.changed()
      },
    })
    this.#links = new SessionLinks({
      context,
      copy: this.#copy,
      state: this.#state,
      claims: this.#claims,
      access: this.access,
      dispatch: (event) => this.#loop.dispatch(event),
      keep: (entry, piece, chunks, expected) => this.#keepFromPeer(entry, piece, chunks, expected),
    })
    this.#account = this.#newAccount()
  }

  get complete(): boolean {
    return this.#state.phase === 'complete'
  }

  /** Why it gave up, if it did. */
  get failure(): unknown {
    return this.#failure
  }

  /** How its origin failed last, or its bytes. */
  get originError(): unknown {
    return this.#source.error
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Whether a link is of use, for one end or the other. An empty blob has nothing to tell of. */
  admits(entry: LinkEntry): boolean {
    if (this.#closed || entry.guest || this.layout.pieceCount === 0) return false
    return this.access.mayTell(entry) || (!this.complete && this.access.mayAsk)
  }

  /** Nobody here or elsewhere needs it open. */
  get idle(): boolean {
    if (this.#state.wanted || !this.#audience.isEmpty) return false
    return !this.complete || ![...this.#state.links.values()].some((link) => link.wants)
  }

  get state(): Readonly<SessionState> {
    return this.#state
  }

  /** Bytes of peers that were thrown away. */
  get wastedBytes(): number {
    return this.#claims.wastedBytes
  }

  /** What came from where since somebody last began to want the blob. */
  get account(): TransferAccount {
    return this.#account
  }

  now(): number {
    return this.#context.clock.monotonicMs()
  }

  /** Starts, or goes on with, loading the blob. */
  want(origin: Origin | undefined): void {
    this.#source.use(origin)
    if (!this.#state.wanted) {
      this.#failure = undefined
      this.#account = this.#newAccount()
    }
    this.#loop.dispatch({ type: 'demand:changed', wanted: true, originUsable: this.#source.usable })
  }

  /** Nobody waits for the blob any more. What is stored stays for the next time. */
  unwant(): void {
    this.#loop.dispatch({ type: 'demand:changed', wanted: false, originUsable: false })
  }

  /** Who wants to know what becomes of it, and who reads. */
  get audience(): SessionAudience {
    return this.#audience
  }

  attach(entry: LinkEntry): void {
    if (!this.admits(entry) || !this.#links.attach(entry)) return
    const weYield = Buffer.compare(this.#order, orderOf(entry.link.peerIdBytes, this.digest)) > 0
    this.#loop.dispatch({ type: 'link:opened', link: entry.id, distance: entry.distance, weYield })
  }

  detach(link: LinkId): void {
    if (this.#links.detach(link)) this.#loop.dispatch({ type: 'link:closed', link })
  }

  /** A message of an attached peer about this blob, or about what it is wanted for. */
  receive(entry: LinkEntry, message: ControlMessage): void {
    if (message.type === 'bitfield') {
      // Who does not know the size asks what we hold, and no more.
      if (message.sizeBytes === 0 && message.wants) return this.#links.answer(entry)
      if (message.private && this.#context.closedNetwork) void this.becomePrivate(true)
    }
    this.#links.receive(entry, message)
  }

  /** The first round of discovery is over. */
  settle(): void {
    this.#loop.dispatch({ type: 'discovery:settled' })
  }

  /** A peer sent the whole of a small blob, unasked for; it matches the digest. */
  async takeInline({ bytes, from }: InlineBlob): Promise<void> {
    if (this.complete || bytes.byteLength !== this.layout.sizeBytes || this.layout.pieceCount !== 1) return
    await this.#keepFromPeer(from, 0, [bytes], { hash: digestToBytes(this.digest), claim: undefined })
  }

  give(entry: LinkEntry, piece: number): ReturnType<SessionLinks['give']> {
    return this.#links.give(entry.id, piece)
  }

  /** A peer was given a piece whole. */
  gave(link: LinkId, piece: number): void {
    this.#loop.dispatch({ type: 'piece:given', link, piece })
  }

  /** Whether a peer may have the piece. */
  canServe(entry: LinkEntry, piece: number): boolean {
    return this.#state.stored.has(piece) && this.access.mayTell(entry)
  }

  /** Whether a reader may have the piece: it is proven, and not the last one, so that no stream ends well with wrong bytes. */
  isProven(piece: number): boolean {
    if (this.complete) return true
    if (!this.#state.stored.has(piece) || piece === this.layout.pieceCount - 1) return false
    return this.#claims.isProven(piece)
  }

  readonly read = (range: ByteRange): Promise<Uint8Array> => this.#copy.read(range)
  readonly slices: SharedSlices = new SharedSlices(this.read)

  /** Ends it; what is stored of an unfinished blob is kept for the next time. */
  async close(): Promise<void> {
    if (this.#closed) return
    if (!this.complete) this.unwant()
    this.#closed = true
    this.#context.leases.forget(this.digest, this.#onLease)
    this.#loop.stop()
    this.#source.stop()
    this.#claims.ended()
    this.#audience.changed()
    await this.#writes
    await this.#copy.part?.close()
  }

  #carryOut(effect: Effect): void {
    const { digest } = this
    switch (effect.type) {
      case 'tell-copy':
        void this.#links.tellCopy(effect.link, effect.wants)
        break
      case 'tell-have':
        this.#links.tellHave(effect.link, effect.pieces)
        break
      case 'tell-fresh':
        this.#links.tellFresh(effect.link, effect.pieces)
        break
      case 'tell-fetching':
        this.#links.send(effect.link, [{ type: 'fetching', digest, runs: effect.runs }])
        break
      case 'tell-forget':
        this.#links.send(effect.link, [{ type: 'forget', digest }])
        break
      case 'request':
        this.#links.request(effect.link, effect.piece)
        break
      case 'cancel':
        this.#links.cancel(effect.link, effect.piece)
        break
      case 'fetch':
        this.#source.fetch(effect, this.#state)
        break
      case 'trim':
        this.#source.trim(effect.run, effect.count)
        break
      case 'ask-lease':
        // Whoever were asked for leave would learn what we load.
        if (!this.access.mayName) this.#loop.dispatch({ type: 'lease:silent', swarmSize: 1 })
        else this.#context.leases.ask(digest, this.layout, effect, this.#onLease)
        break
      case 'check':
        void this.#write(() => this.#commit())
        break
      case 'drop':
        this.#claims.dropped(effect.pieces)
        void this.#write(async () => this.#copy.part?.drop(effect.pieces))
        this.#audience.dropped(effect.pieces)
        break
      case 'distrust':
        // Who lied for certain was dealt with when its bytes came; here it is only not asked again.
        break
      case 'done':
        this.#audience.changed()
        break
      case 'fail':
        if (effect.reason === 'origin-mismatch') this.#source.wasWrong()
        this.#fail(this.#source.wrongness ?? failureOf(effect.reason, digest, this.#source.name, this.#source.error))
        break
      default:
        assertNever(effect)
    }
  }

  #keepFromPeer(entry: LinkEntry, piece: number, chunks: readonly Uint8Array[], { hash, claim }: ExpectedPiece): Promise<void> {
    if (this.#links.saysPrivate(entry.id)) void this.becomePrivate(true)
    return this.#write(async () => {
      if (this.#state.stored.has(piece) || !this.#copy.part) return
      await this.#copy.part.write(piece, chunks, 'peer', hash)
      const whole = this.#state.links.get(entry.id)?.holds.complete ?? false
      this.#account.fromPeer(entry.link.peerId, entry.foundBy, pieceRange(this.layout, piece).length, whole)
      // First what it rests on, so that it can be told of; then, if that fell meanwhile, what follows.
      this.#claims.arrived(piece, claim, () => this.#stored(piece, entry.id, entry.link.peerId))
    })
  }

  #keepFromOrigin({ piece, chunks, hash }: OriginPiece): Promise<void> {
    this.#account.fromOrigin(pieceRange(this.layout, piece).length)
    return this.#write(async () => {
      const { part } = this.#copy
      if (!part) return
      const replaced = Buffer.compare(part.hash(piece) ?? hash, hash) !== 0
      if (replaced || !this.#state.fromOrigin.has(piece)) {
        await part.write(piece, chunks, 'origin', hash)
        if (replaced) this.#audience.dropped([piece])
        this.#stored(piece, 'origin', 'origin')
      } else this.#loop.dispatch({ type: 'piece:stored', piece, from: 'origin' })
      this.#claims.originRead(piece, hash, replaced)
    })
  }

  #stored(piece: number, from: LinkId | 'origin', name: string): void {
    this.#loop.dispatch({ type: 'piece:stored', piece, from })
    this.#context.emit('piece:stored', { digest: this.digest, piece, from: name })
    this.#audience.changed()
  }

  /** A write that fails ends the session: without a place for its bytes there is nothing to go on with. */
  #write(write: () => Promise<void>): Promise<void> {
    this.#writes = this.#writes.then(write).catch((error: unknown) => this.#fail(error))
    return this.#writes
  }

  async #commit(): Promise<void> {
    try {
      await this.#copy.part?.commit({ mediaType: this.mediaType, repositories: this.access.repositories })
    } catch (error) {
      if (!(error instanceof DigestMismatchError)) throw error
      this.#source.error = error
      this.#context.history.note(this.digest, { type: 'blob:mismatched' })
      const damaged = (await this.#copy.part?.damaged()) ?? []
      const { drop, next } = this.#claims.mismatched(damaged, this.#state.origin.usable)
      this.#loop.dispatch({ type: 'blob:checked', ok: false, drop, next })
      return
    }
    this.#claims.completed()
    this.#copy.completed()
    this.#loop.dispatch({ type: 'blob:checked', ok: true })
    const stats = this.#account.stats(this.now())
    this.#context.history.completed(this.digest, stats)
    if (this.access.mayName && stats.bytes.origin > 0) this.#context.leases.handIn(this.digest)
    this.#context.emit('blob:stored', { digest: this.digest, stats })
    this.#context.sharing.reportIfWithheld(this.access)
  }

  /** From now on only those may know of the blob who may read it. */
  async becomePrivate(byWordOfPeer: boolean): Promise<void> {
    if (!this.access.becomePrivate(byWordOfPeer)) return
    this.reconsider()
    await this.#write(async () => this.#copy.part?.markPrivate())
  }

  /** Who may know of the blob is not what it was. */
  reconsider(): void {
    this.#links.review(this)
  }

  #fail(error: unknown): void {
    if (this.complete || this.#failure !== undefined) return
    this.#failure = error
    this.unwant()
    this.#audience.changed()
  }

  #newAccount(): TransferAccount {
    let storedBytes = 0
    for (const piece of this.#state.stored.indexes()) storedBytes += pieceRange(this.layout, piece).length
    return new TransferAccount(this.layout.sizeBytes, storedBytes, this.now())
  }
}
