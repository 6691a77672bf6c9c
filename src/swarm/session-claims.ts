import { digestToBytes, hashBytes } from '../core/digest.ts'
import { assertNever, PeerError } from '../core/errors.ts'
import type { LinkId, SessionEvent } from '../engine/session-event.ts'
import type { SessionState } from '../engine/session-state.ts'
import { BlobTrust, type Rejection } from '../trust/blob-trust.ts'
import { hashIn, signedBytes, type Claim } from '../trust/claim.ts'
import type { TrustEffect } from '../trust/trust-effect.ts'
import type { ClaimMessage } from '../wire/messages.ts'
import type { BlobCopy } from './blob-copy.ts'
import { OwnClaims } from './own-claims.ts'
import type { LinkEntry, SwarmContext } from './swarm-context.ts'

/** What a piece of a peer has to hash to, and who says so; for a blob of one piece, the digest does. */
export interface ExpectedPiece {
  readonly hash: Uint8Array
  readonly claim: Claim | undefined
}

/** What a session's claims need of it. */
export interface SessionClaimsInit {
  readonly context: SwarmContext
  readonly copy: BlobCopy
  readonly state: SessionState
  readonly dispatch: (event: SessionEvent) => void
  /** Whether links may be asked for these pieces has to be looked at again. */
  readonly refresh: (pieces: readonly number[]) => void
  /** Pieces that are here can be offered from now on, and may be read. */
  readonly claimed: (pieces: readonly number[]) => void
}

/** One session's claims: those that peers tell are checked and weighed, those that they are told are signed or passed on. */
export class SessionClaims {
  readonly #init: SessionClaimsInit
  readonly #trust: BlobTrust
  readonly #own: OwnClaims
  /** What takes back the verdicts of this blob. */
  readonly #convictions = new Map<string, { readonly by: 'hash' | 'origin' | 'digest'; reverse(): void }>()

  constructor(init: SessionClaimsInit) {
    const { context, copy, state } = init
    this.#init = init
    this.#own = new OwnClaims(context.identity, copy.digest, copy.layout)
    this.#trust = new BlobTrust({
      layout: copy.layout,
      stored: state.stored,
      fromOrigin: state.fromOrigin,
      hashOf: (piece) => copy.hash(piece),
    })
  }

  /** Bytes of this blob that were thrown away. */
  get wastedBytes(): number {
    return this.#trust.budget.usedBytes
  }

  /** A peer tells a claim. A false signature, and more claims than there can be, end the link. */
  receive(entry: LinkEntry, message: ClaimMessage): void {
    const { copy, state, context } = this.#init
    const { digest, layout } = copy
    // Claims of another size are of another blob; of a blob that is complete here, nobody needs to tell us anything.
    if (message.sizeBytes !== layout.sizeBytes || state.phase === 'complete') return
    if (!this.#trust.book.count(entry.id)) {
      return entry.link.close(new PeerError('ERR_PEER_LIMIT', `the peer tells more claims of ${digest} than it has pieces`))
    }
    const { first, hashes, issuer: issuerId, signature } = message
    const issuer = context.identity.nameOf(issuerId)
    if (issuer === undefined) return entry.link.close(unsigned())
    if (context.bans.isBanned(issuer)) return
    const count = hashes.byteLength / hashBytes
    const known = this.#trust.book.find({ first, count, issuer, hashes })
    if (!known && !context.identity.isSignedBy(issuerId, signedBytes(digest, layout, message), signature)) {
      return entry.link.close(unsigned())
    }
    const tier = context.trusts(issuer) ? 'trusted' : 'stranger'
    this.#apply(this.#trust.tell(entry.id, known ?? { first, count, hashes, issuer, issuerId, signature, tier }))
  }

  closed(link: LinkId): void {
    this.#trust.close(link)
  }

  /** What a piece of this link is to hash to; `undefined` when it is not to be asked for it. */
  expected(link: LinkId, piece: number): ExpectedPiece | undefined {
    const { digest, layout } = this.#init.copy
    if (piece >= layout.pieceCount) return undefined
    if (layout.pieceCount === 1) return { hash: digestToBytes(digest), claim: undefined }
    const claim = this.#trust.claimFor(link, piece)
    return claim && { hash: hashIn(claim, piece), claim }
  }

  /** Whether a reader may have a stored piece before the blob is complete. */
  isProven(piece: number): boolean {
    return this.#trust.isProven(piece)
  }

  /** Those of the pieces here that may be offered. */
  offerable(pieces: Iterable<number>): number[] {
    const { state, copy } = this.#init
    if (copy.layout.pieceCount === 1 || state.phase === 'complete') return [...pieces]
    return [...pieces].filter((piece) => state.fromOrigin.has(piece) || this.#trust.basisOf(piece))
  }

  /** The claims that go with pieces that are offered, but for those that the peer was told. */
  messages(pieces: readonly number[], told: Set<Claim>): ClaimMessage[] {
    const { copy, state } = this.#init
    if (copy.layout.pieceCount === 1) return []
    const complete = state.phase === 'complete'
    const claims = new Set<Claim>()
    const ours: number[] = []
    for (const piece of pieces) {
      const basis = complete ? undefined : this.#trust.basisOf(piece)
      if (basis) claims.add(basis)
      else ours.push(piece)
    }
    for (const claim of this.#own.of(ours, (piece) => copy.hash(piece))) claims.add(claim)
    const messages: ClaimMessage[] = []
    for (const claim of claims) {
      if (told.has(claim)) continue
      told.add(claim)
      const { first, hashes, issuerId, signature } = claim
      messages.push({ type: 'claim', digest: copy.digest, sizeBytes: copy.layout.sizeBytes, first, hashes, issuer: issuerId, signature })
    }
    return messages
  }

  /** A peer's piece matched and is in the scratch; `stored` is called in between: when it can be told of, and before what else follows. */
  arrived(piece: number, claim: Claim | undefined, stored: () => void): void {
    const effects = claim ? this.#trust.arrived(piece, claim) : []
    stored()
    this.#apply(effects)
  }

  /** A peer's piece did not match. */
  corrupt({ id, link }: LinkEntry, piece: number, hash: Uint8Array): void {
    this.#apply(this.#trust.corrupt({ link: id, peerId: link.peerId }, piece, hash))
  }

  /** The origin's bytes of a piece hash to this, and are stored. */
  originRead(piece: number, hash: Uint8Array, replaced: boolean): void {
    if (replaced) this.#own.forget([piece])
    this.#apply(this.#trust.originRead(piece, hash))
  }

  /** Pieces are gone. */
  dropped(pieces: readonly number[]): void {
    this.#own.forget(pieces)
    this.#trust.dropped(pieces)
  }

  /** The blob is whole and verified. */
  completed(): void {
    this.#apply(this.#trust.complete())
    this.#own.forget()
    this.#convictions.clear()
  }

  /** The session ends. Of an unfinished blob, nobody will know whether the origin's bytes were right that somebody was convicted by. */
  ended(): void {
    for (const [peerId, { by }] of this.#convictions) if (by === 'origin') this.#acquit(peerId)
  }

  /** The blob is whole and does not match: what is to be done about it. */
  mismatched(damaged: readonly number[], originUsable: boolean): Rejection {
    const rejection = this.#trust.mismatch(damaged, originUsable)
    this.#apply(rejection.effects)
    return rejection
  }

  #acquit(peerId: string): void {
    const { context, copy } = this.#init
    context.history.note(copy.digest, { type: 'peer:acquitted', peerId })
    this.#convictions.get(peerId)?.reverse()
    this.#convictions.delete(peerId)
  }

  #apply(effects: readonly TrustEffect[]): void {
    const { context, copy, dispatch, refresh, claimed } = this.#init
    for (const effect of effects) {
      switch (effect.type) {
        case 'settle':
          dispatch({ type: 'piece:doubted', piece: effect.piece })
          break
        case 'origin-only':
          dispatch({ type: 'peers:spent' })
          break
        case 'refresh':
          refresh(effect.pieces)
          break
        case 'claimed':
          claimed(effect.pieces)
          break
        case 'drop':
          dispatch({ type: 'pieces:refuted', pieces: effect.pieces })
          break
        case 'wasted':
          context.metrics.add('damselfly_wasted_bytes_total', effect.bytes, { reason: effect.reason })
          context.history.note(copy.digest, { type: 'bytes:wasted', bytes: effect.bytes, reason: effect.reason })
          break
        case 'convict':
          // What we signed in good faith, for an origin that gave us other bytes than others.
          if (effect.peerId === context.identity.name) break
          if (effect.misdeed === 'claim') context.metrics.add('damselfly_claims_refuted_total', 1, { by: effect.by })
          context.logger.warn('a peer lied about a blob', { digest: copy.digest, peer: effect.peerId, misdeed: effect.misdeed, by: effect.by })
          context.history.note(copy.digest, { type: 'peer:convicted', peerId: effect.peerId, misdeed: effect.misdeed, by: effect.by })
          this.#convictions.set(effect.peerId, { by: effect.by, ...context.bans.convict(effect.peerId, effect.misdeed) })
          break
        case 'acquit':
          this.#acquit(effect.peerId)
          break
        default:
          assertNever(effect)
      }
    }
  }
}

function unsigned(): PeerError {
  return new PeerError('ERR_PEER_PROTOCOL', 'the peer passed on a claim that its issuer did not sign')
}
