import { hashIn, sameBytes, type Claim } from './claim.ts'

/** What the origin's bytes said of pieces over which somebody contradicts it, and who was convicted by that. */
export class OriginEvidence {
  readonly #reads = new Map<number, Uint8Array>()
  /** By issuer: the claim that the origin's bytes contradicted, and at which piece. */
  readonly #convicted = new Map<string, { readonly claim: Claim; readonly piece: number }>()

  /** Notes what a piece hashed to; true when it did so the last time, too: origins fail, but hardly twice alike. */
  read(piece: number, hash: Uint8Array): boolean {
    const before = this.#reads.get(piece)
    this.#reads.set(piece, hash)
    return before !== undefined && sameBytes(before, hash)
  }

  /** Nobody contradicts the origin about the piece. */
  agreed(piece: number): void {
    this.#reads.delete(piece)
  }

  convicted(claim: Claim, piece: number): void {
    this.#convicted.set(claim.issuer, { claim, piece })
  }

  /** The issuers that were right after all; now the true hashes are known. */
  reversedBy(hashOf: (piece: number) => Uint8Array | undefined): string[] {
    const right: string[] = []
    for (const [issuer, { claim, piece }] of this.#convicted) {
      const hash = hashOf(piece)
      if (hash && sameBytes(hash, hashIn(claim, piece))) right.push(issuer)
    }
    this.#convicted.clear()
    return right
  }

  /** All who were convicted by the origin's bytes. */
  reverseAll(): string[] {
    const all = [...this.#convicted.keys()]
    this.#convicted.clear()
    this.#reads.clear()
    return all
  }
}
