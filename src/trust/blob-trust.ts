import type { Bitfield } from '../core/bitfield.ts'
import { pieceRange, type PieceLayout } from '../core/piece-layout.ts'
import { hashIn, sameBytes, type Claim } from './claim.ts'
import { ClaimBook } from './claim-book.ts'
import { OriginEvidence } from './origin-evidence.ts'
import type { TrustEffect } from './trust-effect.ts'
import { WasteBudget, type WasteReason } from './waste-budget.ts'

type LinkId = number

/** Longer blobs are not read a second time when the origin's bytes miss the digest: whoever reads them has most of them by then. */
const maxReadAgainBytes = 64 * 1024 * 1024
/** Contradictions of one blob that are settled before the blob is taken from the origin. */
const maxSettled = 3

/** What a blob's trust is about. */
export interface BlobTrustInit {
  readonly layout: PieceLayout
  /** Pieces that are here; kept up to date by the session. */
  readonly stored: Bitfield
  /** Those of them that the origin gave. */
  readonly fromOrigin: Bitfield
  /** sha256 of a piece that is here. */
  readonly hashOf: (piece: number) => Uint8Array | undefined
}

/** What to do about a whole blob that does not match its digest. */
export interface Rejection {
  readonly drop: readonly number[]
  /** Go on as before, take what is missing from the origin, or give up: nothing is left to try, or the origin itself is wrong. */
  readonly next: 'load' | 'origin' | 'peer-mismatch' | 'origin-mismatch'
  readonly effects: readonly TrustEffect[]
}

/**
 * Whom to believe about one blob's pieces, and who lied; docs/spec/claims.md. Facts in, effects out: no clock, no chance, and signatures
 * are checked before a claim comes here.
 */
export class BlobTrust {
  readonly #init: BlobTrustInit
  readonly #book: ClaimBook
  readonly #evidence = new OriginEvidence()
  readonly #budget: WasteBudget
  /** By piece: the claim by which it was checked. Pieces of the origin, and those from before, have none. */
  readonly #basis: (Claim | undefined)[]
  /** Issuers whose word on this blob is worth nothing. */
  readonly #fallen = new Set<string>()
  #settled = 0
  /** Pieces that the origin is asked about, or was. */
  readonly #disputed = new Set<number>()
  #originOnly = false
  #originMissed = false

  constructor(init: BlobTrustInit) {
    this.#init = init
    this.#book = new ClaimBook(init.layout.pieceCount)
    this.#budget = new WasteBudget(init.layout)
    this.#basis = Array<Claim | undefined>(init.layout.pieceCount)
  }

  get budget(): Readonly<WasteBudget> {
    return this.#budget
  }

  get book(): ClaimBook {
    return this.#book
  }

  /** What a piece that is here rests on; `undefined` for the origin's own, and where nobody knows. */
  basisOf(piece: number): Claim | undefined {
    return this.#basis[piece]
  }

  /** Whether a reader may have the piece before the blob is complete. */
  isProven(piece: number): boolean {
    return this.#init.fromOrigin.has(piece) || this.#basis[piece]?.tier === 'trusted'
  }

  /** By which claim a piece of a link is to be checked; `undefined` when it is not to be asked for it. */
  claimFor(link: LinkId, piece: number): Claim | undefined {
    const followed = this.#book.followed(piece)
    return followed && this.#book.offered(link, piece, hashIn(followed, piece))
  }

  /** A link told a claim whose signature fits. */
  tell(link: LinkId, claim: Claim): TrustEffect[] {
    if (this.#fallen.has(claim.issuer)) return []
    const effects: TrustEffect[] = []
    const changed: number[] = []
    const claimed: number[] = []
    let contradicted: number | undefined
    for (let piece = claim.first; piece < claim.first + claim.count; piece++) {
      const hash = hashIn(claim, piece)
      const before = this.#book.followed(piece)
      if (!before || !sameBytes(hashIn(before, piece), hash)) changed.push(piece)
      if (this.#init.stored.has(piece) && this.#backs(claim, piece, hash)) claimed.push(piece)
      contradicted ??= this.#contradicts(claim, piece, hash) ? piece : undefined
    }
    this.#book.tell(link, claim)
    for (const piece of claimed) this.#restOn(piece, claim)
    if (changed.length > 0) effects.push({ type: 'refresh', pieces: changed })
    if (claimed.length > 0) effects.push({ type: 'claimed', pieces: claimed })
    if (contradicted !== undefined) this.#settle(contradicted, effects)
    return effects
  }

  /** A link ended: its claims count as long as pieces rest on them. */
  close(link: LinkId): void {
    this.#book.close(link)
  }

  /** A piece of a peer matched the claim by which it was asked for, and is stored. */
  arrived(piece: number, claim: Claim): TrustEffect[] {
    const backing = this.#book.backing(piece, hashIn(claim, piece))
    const better = this.#fallen.has(claim.issuer) || (backing?.tier === 'trusted' && claim.tier === 'stranger') ? backing : claim
    // Its claim may have turned out false while the piece was on its way.
    if (!better) return this.#drop([piece], 'refuted')
    this.#restOn(piece, better)
    return []
  }

  /** A peer sent other bytes than it was asked for; it is to blame unless it had offered just these by another claim. */
  corrupt({ link, peerId }: { link: LinkId; peerId: string }, piece: number, hash: Uint8Array): TrustEffect[] {
    const effects: TrustEffect[] = []
    if (!this.#book.offered(link, piece, hash)) effects.push({ type: 'convict', peerId, misdeed: 'piece-hash', by: 'hash' })
    this.#waste('corrupt', pieceRange(this.#init.layout, piece).length, effects)
    return effects
  }

  /** The origin's bytes of a piece hash to this; they are stored, or about to be. */
  originRead(piece: number, hash: Uint8Array): TrustEffect[] {
    const effects: TrustEffect[] = []
    this.#restOn(piece, undefined)
    const false_ = this.#book.of(piece).filter((claim) => !sameBytes(hashIn(claim, piece), hash))
    if (false_.length === 0) {
      this.#evidence.agreed(piece)
      return effects
    }
    if (!this.#evidence.read(piece, hash)) {
      this.#settle(piece, effects)
      return effects
    }
    this.#settled++
    for (const claim of false_) this.#refute(claim, piece, effects)
    if (this.#settled >= maxSettled) this.#turnToOrigin(effects)
    return effects
  }

  /** The whole is here and verified: all is known now. */
  complete(): TrustEffect[] {
    const effects: TrustEffect[] = []
    const { hashOf } = this.#init
    const reversed = this.#evidence.reversedBy(hashOf)
    for (const peerId of reversed) effects.push({ type: 'acquit', peerId })
    const liars = new Set<string>()
    for (const claim of this.#book.all()) {
      for (let piece = claim.first; piece < claim.first + claim.count; piece++) {
        const hash = hashOf(piece)
        if (hash && !sameBytes(hash, hashIn(claim, piece))) liars.add(claim.issuer)
      }
    }
    for (const peerId of liars) effects.push({ type: 'convict', peerId, misdeed: 'claim', by: 'digest' })
    this.#book.clear()
    this.#basis.fill(undefined)
    return effects
  }

  /**
   * The whole is here and does not match.
   * @param damaged - pieces whose bytes are not any more what was checked: nobody's fault but our own
   * @param originUsable - whether the origin can be asked
   */
  mismatch(damaged: readonly number[], originUsable: boolean): Rejection {
    if (damaged.length > 0) return { drop: damaged, next: 'load', effects: this.#forgotten(damaged) }
    const { layout, fromOrigin } = this.#init
    const suspects: number[] = []
    const issuers = new Set<string | undefined>()
    for (let piece = 0; piece < layout.pieceCount; piece++) {
      if (fromOrigin.has(piece)) continue
      suspects.push(piece)
      issuers.add(this.#basis[piece]?.issuer)
    }
    if (suspects.length === 0) return this.#originIsWrong(originUsable)
    const [issuer] = issuers
    const effects: TrustEffect[] = []
    if (issuers.size === 1 && issuer !== undefined && fromOrigin.count === 0) {
      effects.push({ type: 'convict', peerId: issuer, misdeed: 'claim', by: 'digest' })
      const drop = this.#wasted(suspects, 'mismatch', effects)
      this.#fall(issuer, effects)
      return { drop, next: originUsable ? 'origin' : 'load', effects }
    }
    if (originUsable) {
      const strangers = suspects.filter((piece) => this.#basis[piece]?.tier !== 'trusted')
      return { drop: this.#wasted(strangers.length > 0 ? strangers : suspects, 'mismatch', effects), next: 'origin', effects }
    }
    // Without an origin nobody can say which of several is wrong, but pieces from before a restart can be asked for anew.
    const unknown = suspects.filter((piece) => !this.#basis[piece])
    const drop = this.#wasted(unknown.length > 0 ? unknown : suspects, 'mismatch', effects)
    return { drop, next: unknown.length > 0 ? 'load' : 'peer-mismatch', effects }
  }

  /** Pieces are gone from here, whatever the reason. */
  dropped(pieces: readonly number[]): void {
    for (const piece of pieces) this.#restOn(piece, undefined)
  }

  /** All bytes are the origin's and miss the digest: what was concluded from them was wrong. */
  #originIsWrong(originUsable: boolean): Rejection {
    const effects: TrustEffect[] = []
    for (const peerId of this.#evidence.reverseAll()) {
      this.#fallen.delete(peerId)
      effects.push({ type: 'acquit', peerId })
    }
    const drop = [...this.#init.stored.indexes()]
    // Once is an accident on the way, and not worth a failure.
    const next = this.#originMissed || !originUsable || this.#init.layout.sizeBytes > maxReadAgainBytes ? 'origin-mismatch' : 'load'
    this.#originMissed = next === 'load'
    return { drop, next, effects: [...effects, ...this.#forgotten(drop)] }
  }

  /** Whether the claim gives a piece that is here something better to rest on than it has. */
  #backs(claim: Claim, piece: number, hash: Uint8Array): boolean {
    if (this.#init.fromOrigin.has(piece)) return false
    const basis = this.#basis[piece]
    if (basis && (basis.tier === 'trusted' || claim.tier === 'stranger')) return false
    const stored = this.#init.hashOf(piece)
    return stored !== undefined && sameBytes(stored, hash)
  }

  /** Whether a new claim contradicts one of the same standing, or the origin's bytes. A stranger against a trusted one is not heard. */
  #contradicts(claim: Claim, piece: number, hash: Uint8Array): boolean {
    const stored = this.#init.fromOrigin.has(piece) ? this.#init.hashOf(piece) : undefined
    if (stored && !sameBytes(stored, hash)) return true
    const followed = this.#book.followed(piece)
    if (!followed || sameBytes(hashIn(followed, piece), hash)) return false
    return followed.tier === claim.tier || claim.tier === 'trusted'
  }

  /** Beyond so many, the digest says who lied: every further reading would be one that liars can ask for. */
  #settle(piece: number, effects: TrustEffect[]): void {
    const isOneMore = !this.#disputed.has(piece) && this.#disputed.size >= maxSettled
    if (isOneMore || this.#settled >= maxSettled) return this.#turnToOrigin(effects)
    this.#disputed.add(piece)
    effects.push({ type: 'settle', piece })
  }

  /** The origin said twice what the piece is: the claim is false. */
  #refute(claim: Claim, piece: number, effects: TrustEffect[]): void {
    if (this.#fallen.has(claim.issuer)) return
    this.#evidence.convicted(claim, piece)
    effects.push({ type: 'convict', peerId: claim.issuer, misdeed: 'claim', by: 'origin' })
    this.#fall(claim.issuer, effects)
  }

  /** Nothing that the issuer said of this blob counts any more; pieces that rest on nothing else go. */
  #fall(issuer: string, effects: TrustEffect[]): void {
    this.#fallen.add(issuer)
    const fallen = this.#book.refute(issuer)
    const touched = new Set<number>()
    for (const { first, count } of fallen) for (let piece = first; piece < first + count; piece++) touched.add(piece)
    const baseless: number[] = []
    for (const piece of touched) {
      if (this.#basis[piece]?.issuer !== issuer || !this.#init.stored.has(piece)) continue
      const hash = this.#init.hashOf(piece)
      const backing = hash && this.#book.backing(piece, hash)
      this.#basis[piece] = undefined
      if (backing) this.#restOn(piece, backing)
      else baseless.push(piece)
    }
    if (touched.size > 0) effects.push({ type: 'refresh', pieces: [...touched] })
    if (baseless.length > 0) effects.push(...this.#drop(baseless, 'refuted'))
  }

  #drop(pieces: readonly number[], reason: WasteReason): TrustEffect[] {
    const effects: TrustEffect[] = [{ type: 'drop', pieces }]
    this.#wasted(pieces, reason, effects)
    return effects
  }

  #wasted(pieces: readonly number[], reason: WasteReason, effects: TrustEffect[]): readonly number[] {
    let bytes = 0
    for (const piece of pieces) bytes += pieceRange(this.#init.layout, piece).length
    this.dropped(pieces)
    this.#waste(reason, bytes, effects)
    return pieces
  }

  #forgotten(pieces: readonly number[]): TrustEffect[] {
    this.dropped(pieces)
    return []
  }

  #waste(reason: WasteReason, bytes: number, effects: TrustEffect[]): void {
    this.#budget.spend(bytes)
    effects.push({ type: 'wasted', reason, bytes })
    if (this.#budget.isSpent) this.#turnToOrigin(effects)
  }

  #turnToOrigin(effects: TrustEffect[]): void {
    if (this.#originOnly) return
    this.#originOnly = true
    effects.push({ type: 'origin-only' })
  }

  #restOn(piece: number, claim: Claim | undefined): void {
    const before = this.#basis[piece]
    if (before === claim) return
    this.#basis[piece] = claim
    if (claim) this.#book.rest(claim)
    if (before) this.#book.unrest(before)
  }
}
