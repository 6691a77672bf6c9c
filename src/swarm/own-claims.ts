import type { Digest } from '../core/digest.ts'
import { hashBytes } from '../core/digest.ts'
import type { PieceLayout } from '../core/piece-layout.ts'
import { maxClaimPieces, signedBytes, type Claim } from '../trust/claim.ts'
import type { Identity } from './swarm-context.ts'

/** What this node itself signs of one blob: each piece once, many at a time where it can. */
export class OwnClaims {
  readonly #identity: Identity
  readonly #digest: Digest
  readonly #layout: PieceLayout
  readonly #byPiece = new Map<number, Claim>()

  constructor(identity: Identity, digest: Digest, layout: PieceLayout) {
    this.#identity = identity
    this.#digest = digest
    this.#layout = layout
  }

  /** Claims that cover the pieces; signed when they are first wanted. */
  of(pieces: Iterable<number>, hashOf: (piece: number) => Uint8Array | undefined): Claim[] {
    const unsigned: number[] = []
    const wanted = [...pieces]
    for (const piece of wanted) if (!this.#byPiece.has(piece)) unsigned.push(piece)
    for (const run of consecutive(unsigned, maxClaimPieces)) this.#sign(run, hashOf)
    const claims = new Set<Claim>()
    for (const piece of wanted) {
      const claim = this.#byPiece.get(piece)
      if (claim) claims.add(claim)
    }
    return [...claims]
  }

  /** What was signed of a piece is not to be said any more: other bytes took its place, or a claim of all can be made. */
  forget(pieces?: Iterable<number>): void {
    if (!pieces) return this.#byPiece.clear()
    for (const piece of pieces) {
      const claim = this.#byPiece.get(piece)
      if (!claim) continue
      for (let other = claim.first; other < claim.first + claim.count; other++) this.#byPiece.delete(other)
    }
  }

  #sign(run: readonly number[], hashOf: (piece: number) => Uint8Array | undefined): void {
    const [first = 0] = run
    const hashes = new Uint8Array(run.length * hashBytes)
    for (const [index, piece] of run.entries()) {
      const hash = hashOf(piece)
      if (!hash) return
      hashes.set(hash, index * hashBytes)
    }
    const { name: issuer, peerId: issuerId } = this.#identity
    const signature = this.#identity.sign(signedBytes(this.#digest, this.#layout, { first, hashes }))
    const claim: Claim = { first, count: run.length, hashes, issuer, issuerId, signature, tier: 'trusted' }
    for (const piece of run) this.#byPiece.set(piece, claim)
  }
}

/** Consecutive pieces of a sorted list together, at most `most` at a time. */
export function* consecutive(pieces: Iterable<number>, most: number): Generator<number[]> {
  let run: number[] = []
  for (const piece of pieces) {
    const last = run.at(-1)
    if (last !== undefined && (piece !== last + 1 || run.length >= most)) {
      yield run
      run = []
    }
    run.push(piece)
  }
  if (run.length > 0) yield run
}
