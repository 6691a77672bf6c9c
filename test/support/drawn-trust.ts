import { createHash } from 'node:crypto'
import { Bitfield } from '../../src/core/bitfield.ts'
import type { PieceLayout } from '../../src/core/piece-layout.ts'
import { BlobTrust, type Rejection } from '../../src/trust/blob-trust.ts'
import type { Claim, ClaimTier } from '../../src/trust/claim.ts'
import type { TrustEffect } from '../../src/trust/trust-effect.ts'

const pieceLength = 256 * 1024

/**
 * A blob's trust with its surroundings: one character a piece says what its bytes are. `.` is the truth, and any other letter a lie of its own.
 * It carries out what is decided: drops, and reads of the origin, which answers with `origin`.
 */
export class DrawnTrust {
  readonly layout: PieceLayout
  readonly trust: BlobTrust
  readonly stored: Bitfield
  readonly fromOrigin: Bitfield
  /** What the stored bytes are. */
  readonly bytes: string[]
  readonly effects: TrustEffect[] = []
  readonly convicted = new Set<string>()
  /** Pieces that the origin is to tell again. */
  readonly doubted: number[] = []
  originOnly = false
  wastedBytes = 0

  constructor(pieceCount: number) {
    this.layout = { sizeBytes: pieceCount * pieceLength, pieceLength, pieceCount }
    this.stored = new Bitfield(pieceCount)
    this.fromOrigin = new Bitfield(pieceCount)
    this.bytes = Array<string>(pieceCount).fill(' ')
    this.trust = new BlobTrust({
      layout: this.layout,
      stored: this.stored,
      fromOrigin: this.fromOrigin,
      hashOf: (piece) => (this.stored.has(piece) ? hashOf(piece, this.bytes[piece] ?? '') : undefined),
    })
  }

  get pieceBytes(): number {
    return pieceLength
  }

  /** `text` says what the issuer claims from `first` on. */
  claim(issuer: string, text: string, { first = 0, tier = 'stranger' }: { first?: number; tier?: ClaimTier } = {}): Claim {
    const hashes = Buffer.concat(Array.from(text, (letter, index) => hashOf(first + index, letter)))
    const rest = { issuerId: Buffer.from(issuer), signature: new Uint8Array(64) }
    return { first, count: text.length, hashes, issuer, tier, ...rest }
  }

  tell(link: number, claim: Claim): TrustEffect[] {
    return this.apply(this.trust.tell(link, claim))
  }

  /** A link gives a piece with these bytes, if it may be asked for it; says what became of that. */
  give(link: number, piece: number, letter: string): 'not asked' | 'stored' | 'corrupt' {
    const claim = this.trust.claimFor(link, piece)
    if (!claim) return 'not asked'
    const hash = hashOf(piece, letter)
    if (Buffer.compare(hash, claim.hashes.subarray((piece - claim.first) * 32, (piece - claim.first + 1) * 32)) !== 0) {
      this.apply(this.trust.corrupt({ link, peerId: `peer ${link}` }, piece, hash))
      return 'corrupt'
    }
    this.store(piece, letter, false)
    this.apply(this.trust.arrived(piece, claim))
    return 'stored'
  }

  /** The origin gives a piece. */
  read(piece: number, letter = '.'): TrustEffect[] {
    this.store(piece, letter, true)
    return this.apply(this.trust.originRead(piece, hashOf(piece, letter)))
  }

  /** Reads what the origin is to tell until nothing is in doubt. */
  settle(letter: (piece: number) => string = () => '.'): void {
    for (let piece = this.doubted.shift(); piece !== undefined; piece = this.doubted.shift()) this.read(piece, letter(piece))
  }

  mismatch(originUsable = true, damaged: readonly number[] = []): Rejection {
    const rejection = this.trust.mismatch(damaged, originUsable)
    this.apply(rejection.effects)
    this.drop(rejection.drop)
    if (rejection.next === 'origin') this.originOnly = true
    return rejection
  }

  complete(): TrustEffect[] {
    return this.apply(this.trust.complete())
  }

  store(piece: number, letter: string, fromOrigin: boolean): void {
    this.stored.add(piece)
    this.bytes[piece] = letter
    if (fromOrigin) this.fromOrigin.add(piece)
  }

  drop(pieces: readonly number[]): void {
    for (const piece of pieces) {
      this.stored.delete(piece)
      this.fromOrigin.delete(piece)
      this.bytes[piece] = ' '
    }
  }

  apply(effects: readonly TrustEffect[]): TrustEffect[] {
    for (const effect of effects) {
      this.effects.push(effect)
      if (effect.type === 'drop') this.drop(effect.pieces)
      else if (effect.type === 'convict') this.convicted.add(effect.peerId)
      else if (effect.type === 'acquit') this.convicted.delete(effect.peerId)
      else if (effect.type === 'settle') this.doubted.push(effect.piece)
      else if (effect.type === 'origin-only') this.originOnly = true
      else if (effect.type === 'wasted') this.wastedBytes += effect.bytes
    }
    return [...effects]
  }
}

const hashes = new Map<string, Buffer>()

/** Made once each: property tests ask millions of times. */
export function hashOf(piece: number, letter: string): Buffer {
  const key = `${piece}${letter}`
  const hash = hashes.get(key) ?? createHash('sha256').update(key).digest()
  hashes.set(key, hash)
  return hash
}
