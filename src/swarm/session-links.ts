import { Bitfield } from '../core/bitfield.ts'
import { pieceRange } from '../core/piece-layout.ts'
import type { LinkId, SessionEvent } from '../engine/session-event.ts'
import type { SessionState } from '../engine/session-state.ts'
import type { Claim } from '../trust/claim.ts'
import type { BitfieldMessage, ControlMessage } from '../wire/messages.ts'
import { violation } from '../wire/violation.ts'
import type { BlobCopy } from './blob-copy.ts'
import { pieceIntake } from './piece-intake.ts'
import type { SessionAccess } from './session-access.ts'
import type { ExpectedPiece, SessionClaims } from './session-claims.ts'
import { emptyCopy, type LinkEntry, type SwarmContext } from './swarm-context.ts'

/** What the links of a session need of it. */
export interface SessionLinksInit {
  readonly context: SwarmContext
  readonly copy: BlobCopy
  readonly state: SessionState
  readonly claims: SessionClaims
  readonly access: SessionAccess
  readonly dispatch: (event: SessionEvent) => void
  /** Stores a verified piece of a peer; resolves when its bytes are out of memory. */
  readonly keep: (
    entry: LinkEntry,
    piece: number,
    chunks: readonly Uint8Array[],
    expected: ExpectedPiece,
  ) => Promise<void>
}

interface Attached {
  readonly entry: LinkEntry
  /** Pieces that the peer said it has, whether we can check them or not; made when it first says so. */
  offered: Bitfield | undefined
  /** It named the size that we know: it knows which pieces there are. */
  knowsSize: boolean
  /** Claims that it was told. */
  readonly told: Set<Claim>
  readonly cancels: Map<number, () => void>
  /** Whether it may know what our copy is. */
  tells: boolean
  /** It wanted to know while it might not. */
  unheard: BitfieldMessage | undefined
  /** It says that its copy is private, and we believe it. */
  saysPrivate: boolean
}

/** One session's side of its links: what peers are told of the blob, what they tell, and the requests to them. */
export class SessionLinks {
  readonly #init: SessionLinksInit
  readonly #attached = new Map<LinkId, Attached>()

  constructor(init: SessionLinksInit) {
    this.#init = init
  }

  entry(link: LinkId): LinkEntry | undefined {
    return this.#attached.get(link)?.entry
  }

  /** Whoever is asked sees our grants first. False when it was attached before. */
  attach(entry: LinkEntry): boolean {
    if (this.#attached.has(entry.id)) return false
    const { access, context } = this.#init
    const tells = access.mayTell(entry)
    context.sharing.show(entry, access.repositories)
    const facts = { offered: undefined, knowsSize: false, told: new Set<Claim>(), cancels: new Map(), unheard: undefined, saysPrivate: false }
    this.#attached.set(entry.id, { entry, tells, ...facts })
    return true
  }

  /** Its requests are taken back: nobody waits for them. */
  detach(link: LinkId): boolean {
    const cancels = this.#attached.get(link)?.cancels
    for (const cancel of cancels?.values() ?? []) cancel()
    this.#init.claims.closed(link)
    return this.#attached.delete(link)
  }

  /** Whether the peer says that the blob is private. */
  saysPrivate(link: LinkId): boolean {
    return this.#attached.get(link)?.saysPrivate ?? false
  }

  /** A peer is to know nothing any more; false when it never did. */
  withdraw({ id, link }: LinkEntry): boolean {
    const attached = this.#attached.get(id)
    const { digest, layout } = this.#init.copy
    if (attached?.tells) link.send(emptyCopy(digest, layout.sizeBytes))
    return attached !== undefined
  }

  /** Who may know our copy may have changed: those are told who may now, and those who may not. */
  review(session: { admits(entry: LinkEntry): boolean; attach(entry: LinkEntry): void; detach(link: LinkId): void }): void {
    const { access, context, state } = this.#init
    for (const entry of context.links.values()) {
      if (session.admits(entry)) session.attach(entry)
      else if (this.withdraw(entry)) session.detach(entry.id)
    }
    for (const attached of this.#attached.values()) {
      const tells = access.mayTell(attached.entry)
      const isNews = context.sharing.show(attached.entry, access.repositories)
      // Who was asked before it saw our grants is asked again.
      if (isNews && tells === attached.tells) void this.tellCopy(attached.entry.id, state.wanted)
      if (tells === attached.tells) continue
      if (!tells) this.withdraw(attached.entry)
      attached.tells = tells
      attached.told.clear()
      const { unheard } = attached
      attached.unheard = undefined
      if (tells && unheard) this.receive(attached.entry, unheard)
      else if (tells) void this.tellCopy(attached.entry.id, state.wanted)
    }
  }

  /** What an attached peer says of the blob, as the engine understands it. */
  receive(entry: LinkEntry, message: ControlMessage): void {
    const attached = this.#attached.get(entry.id)
    if (!attached) return
    const { dispatch, claims, copy } = this.#init
    const link = entry.id
    if (attached.knowsSize && endOf(message) > copy.layout.pieceCount) {
      entry.link.close(violation('it named a piece that the blob does not have'))
      return
    }
    switch (message.type) {
      case 'bitfield':
        attached.saysPrivate = message.private && this.#init.context.sharing.believesPrivate(entry)
        attached.unheard = message.wants && !attached.tells ? message : undefined
        if (attached.unheard) entry.link.send(emptyCopy(message.digest, message.sizeBytes))
        this.#tellCopyOf(entry, this.#holds(attached, message), message.wants && attached.tells)
        break
      case 'claim':
        claims.receive(entry, message)
        break
      case 'have':
        dispatch({ type: 'link:have', link, pieces: this.#offers(attached, message.pieces) })
        break
      case 'fresh':
        dispatch({ type: 'link:fresh', link, pieces: this.#offers(attached, message.pieces) })
        break
      case 'fetching':
        dispatch({ type: 'link:fetching', link, runs: message.runs })
        break
      case 'forget':
        dispatch({ type: 'link:forgot', link })
        break
      case 'join':
        dispatch({ type: 'link:joined', link })
        break
      default:
        break
    }
  }

  send(link: LinkId, messages: readonly ControlMessage[]): void {
    const attached = this.#attached.get(link)
    if (!attached) return
    const isTold = attached.tells && this.#init.access.mayTell(attached.entry)
    for (const message of messages) {
      const sent = isTold ? message : withoutCopy(message)
      if (sent) attached.entry.link.send(sent)
    }
  }

  /** Tells a peer our copy; a peer that wants the blob is told the piece hashes too. */
  async tellCopy(link: LinkId, wants: boolean): Promise<void> {
    const { copy, context } = this.#init
    try {
      await copy.loadHashes()
    } catch (error) {
      context.logger.warn('piece hashes could not be read', { digest: copy.digest, error })
      this.send(link, [emptyCopy(copy.digest, copy.layout.sizeBytes)])
      return
    }
    const attached = this.#attached.get(link)
    const told = this.#init.state.links.get(link)?.wants ? attached?.told : undefined
    this.send(link, this.#describe(wants, told))
  }

  /** Tells a peer of pieces that are here; it must want to know. */
  tellHave(link: LinkId, pieces: readonly number[]): void {
    this.#tellPieces(link, pieces, (offered) => this.#init.copy.haves(offered))
  }

  tellFresh(link: LinkId, pieces: readonly number[]): void {
    this.#tellPieces(link, pieces, (offered) => this.#init.copy.fresh(offered))
  }

  /** Pieces that could not be offered before are, to all who want to know. */
  offer(pieces: readonly number[]): void {
    for (const link of this.#attached.keys()) if (this.#init.state.links.get(link)?.wants) this.tellHave(link, pieces)
  }

  /** Links can be asked for other ones of these pieces than before. */
  refresh(pieces: readonly number[]): void {
    const { state, claims, dispatch } = this.#init
    for (const [link, { offered }] of this.#attached) {
      const holds = state.links.get(link)?.holds
      if (!offered || !holds) continue
      const gained: number[] = []
      const lost: number[] = []
      for (const piece of pieces) {
        if (!offered.has(piece)) continue
        const usable = claims.expected(link, piece) !== undefined
        if (usable !== holds.has(piece)) (usable ? gained : lost).push(piece)
      }
      if (lost.length > 0) dispatch({ type: 'link:lost', link, pieces: lost })
      if (gained.length > 0) dispatch({ type: 'link:have', link, pieces: gained })
    }
  }

  /** Answers a peer that asks what we hold without wanting to hear more. */
  answer(entry: LinkEntry): void {
    const { access, copy } = this.#init
    if (!access.mayTell(entry)) return entry.link.send(emptyCopy(copy.digest, 0))
    for (const message of this.#describe(false, undefined)) entry.link.send(message)
  }

  request(link: LinkId, piece: number): void {
    const { copy, claims, dispatch, keep } = this.#init
    const attached = this.#attached.get(link)
    const expected = claims.expected(link, piece)
    if (!attached || !expected) {
      dispatch({ type: 'request:ended', link, piece, outcome: { kind: 'absent' } })
      return
    }
    const { entry, cancels } = attached
    const sink = pieceIntake(expected.hash, {
      sent: () => dispatch({ type: 'request:sent', link, piece }),
      moved: (bytes) => dispatch({ type: 'request:moved', link, piece, bytes }),
      verified: (chunks, release) => {
        cancels.delete(piece)
        dispatch({ type: 'request:ended', link, piece, outcome: { kind: 'verified' } })
        this.#init.context.bans.vouch(entry.link.peerId)
        void keep(entry, piece, chunks, expected).finally(release)
      },
      corrupt: (hash) => {
        cancels.delete(piece)
        dispatch({ type: 'request:ended', link, piece, outcome: { kind: 'corrupt' } })
        claims.corrupt(entry, piece, hash)
      },
      ended: (outcome) => {
        cancels.delete(piece)
        dispatch({ type: 'request:ended', link, piece, outcome })
      },
    })
    const sizeBytes = pieceRange(copy.layout, piece).length
    cancels.set(piece, entry.lane.request(copy.digest, piece, sizeBytes, sink))
  }

  /**
   * The bytes of a piece for a peer, who hears first by which claim to check them: it may have asked by one that fell here since. `undefined` where
   * no claim fits, or the piece was replaced while it was read.
   */
  async give(link: LinkId, piece: number): Promise<Uint8Array | undefined> {
    const { claims, copy } = this.#init
    await copy.loadHashes()
    const hash = copy.hash(piece)
    const bytes = await copy.read(pieceRange(copy.layout, piece))
    const now = copy.hash(piece)
    if ((hash && now && Buffer.compare(hash, now) !== 0) || claims.offerable([piece]).length === 0) return undefined
    const told = this.#attached.get(link)?.told
    if (told) this.send(link, claims.messages([piece], told))
    return bytes
  }

  cancel(link: LinkId, piece: number): void {
    const cancels = this.#attached.get(link)?.cancels
    const cancel = cancels?.get(piece)
    cancels?.delete(piece)
    cancel?.()
  }

  /** Our copy; with the claims that go with it, for a peer that wants the blob. */
  #describe(wants: boolean, told: Set<Claim> | undefined): ControlMessage[] {
    const { copy, state, claims, access } = this.#init
    const complete = state.phase === 'complete'
    const pieces = claims.offerable(state.stored.indexes())
    return [...(told ? claims.messages(pieces, told) : []), copy.describe(pieces, { wants, complete, private: access.marked })]
  }

  #tellPieces(link: LinkId, pieces: readonly number[], haves: (pieces: readonly number[]) => ControlMessage[]): void {
    const { claims } = this.#init
    const attached = this.#attached.get(link)
    const offered = claims.offerable(pieces).sort((a, b) => a - b)
    if (attached) this.send(link, [...claims.messages(offered, attached.told), ...haves(offered)])
  }

  /** @param holds - pieces that the peer has and that can be checked */
  #tellCopyOf(entry: LinkEntry, holds: number[] | 'all', wants: boolean): void {
    const { dispatch, state, context, copy } = this.#init
    if (state.phase === 'loading') {
      const complete = holds === 'all'
      const pieces = complete ? copy.layout.pieceCount : holds.length
      context.history.note(copy.digest, { type: 'peer:answered', peerId: entry.link.peerId, pieces, complete })
    }
    dispatch({ type: 'link:copy', link: entry.id, holds, wants })
  }

  #holds(attached: Attached, message: BitfieldMessage): number[] | 'all' {
    const { layout } = this.#init.copy
    const { pieceCount } = layout
    attached.offered = undefined
    attached.knowsSize = message.sizeBytes === layout.sizeBytes
    if (!attached.knowsSize) return []
    const offered = message.complete
      ? Array.from({ length: pieceCount }, (_, piece) => piece)
      : (Bitfield.fromBytes(message.bits, pieceCount)?.indexes() ?? [])
    const usable = this.#offers(attached, offered)
    return message.complete && usable.length === pieceCount ? 'all' : usable
  }

  /** Notes what the peer offers; returns what of it can be checked, and so may be asked for. */
  #offers(attached: Attached, pieces: Iterable<number>): number[] {
    const { claims, copy, state } = this.#init
    const { pieceCount } = copy.layout
    const usable: number[] = []
    for (const piece of pieces) {
      if (piece >= pieceCount) continue
      attached.offered ??= new Bitfield(pieceCount)
      attached.offered.add(piece)
      // Whose blob is complete asks for nothing, and serves better when it knows who has what.
      if (state.phase === 'complete' || claims.expected(attached.entry.id, piece)) usable.push(piece)
    }
    return usable
  }
}

/** The piece after the last one that a message names. */
function endOf(message: ControlMessage): number {
  let end = 0
  if (message.type === 'have' || message.type === 'fresh') for (const piece of message.pieces) end = Math.max(end, piece + 1)
  if (message.type === 'fetching') for (const { first, count } of message.runs) end = Math.max(end, first + count)
  return end
}

/** What may be said to a peer that may not know what our copy is: that we ask, and that we do not any more. */
function withoutCopy(message: ControlMessage): ControlMessage | undefined {
  if (message.type === 'bitfield') return message.wants ? { ...emptyCopy(message.digest, message.sizeBytes), wants: true } : undefined
  return message.type === 'forget' ? message : undefined
}
