import { hashIn, sameBytes, type Claim } from './claim.ts'

/** One of this node's links, by number. */
type LinkId = number

/** Different hashes that are kept for one piece. */
const maxHashesPerPiece = 4

/** Who told a claim, and how many pieces here rest on it: with neither it is forgotten. */
interface Uses {
  readonly links: Set<LinkId>
  pieces: number
}

/** All claims of one blob that hold, by piece and by who told them. */
export class ClaimBook {
  readonly #pieceCount: number
  /** In the order in which they were told. */
  readonly #byPiece: (Claim[] | undefined)[]
  readonly #uses = new Map<Claim, Uses>()
  /** How many claims each link told, all in all. */
  readonly #toldCounts = new Map<LinkId, number>()

  constructor(pieceCount: number) {
    this.#pieceCount = pieceCount
    this.#byPiece = Array<Claim[] | undefined>(pieceCount)
  }

  /** Counts a claim that a link tells; false when it told too many: there is room for one a piece, and for each again by somebody else. */
  count(link: LinkId): boolean {
    const count = (this.#toldCounts.get(link) ?? 0) + 1
    this.#toldCounts.set(link, count)
    return count <= 2 * this.#pieceCount + 16
  }

  /** The claim that is here already and says the same in the same name: its signature needs no check. */
  find({ first, count, issuer, hashes }: Pick<Claim, 'first' | 'count' | 'issuer' | 'hashes'>): Claim | undefined {
    return this.of(first).find(
      (known) => known.first === first && known.count === count && known.issuer === issuer && sameBytes(known.hashes, hashes),
    )
  }

  tell(link: LinkId, claim: Claim): void {
    this.#enter(claim).links.add(link)
  }

  /** A claim by which the link offers a piece with this hash. */
  offered(link: LinkId, piece: number, hash: Uint8Array): Claim | undefined {
    return this.of(piece).find((claim) => this.#uses.get(claim)?.links.has(link) && sameBytes(hashIn(claim, piece), hash))
  }

  of(piece: number): readonly Claim[] {
    return this.#byPiece[piece] ?? none
  }

  /** The claim to go by: the first of those that are trusted, else the first. */
  followed(piece: number): Claim | undefined {
    const claims = this.of(piece)
    return claims.find(({ tier }) => tier === 'trusted') ?? claims[0]
  }

  /** A claim that holds and says this of a piece; trusted ones before others. */
  backing(piece: number, hash: Uint8Array): Claim | undefined {
    const backing = this.of(piece).filter((claim) => sameBytes(hashIn(claim, piece), hash))
    return backing.find(({ tier }) => tier === 'trusted') ?? backing[0]
  }

  /** A piece here rests on the claim, whoever told it. */
  rest(claim: Claim): void {
    this.#enter(claim).pieces++
  }

  /** A piece does not rest on the claim any more. */
  unrest(claim: Claim): void {
    const uses = this.#uses.get(claim)
    if (!uses) return
    uses.pieces--
    this.#forgetUnused(claim, uses)
  }

  /** What a link told counts no more; claims that pieces here rest on stay. */
  close(link: LinkId): void {
    this.#toldCounts.delete(link)
    for (const [claim, uses] of this.#uses) if (uses.links.delete(link)) this.#forgetUnused(claim, uses)
  }

  /** All claims of an issuer fall. */
  refute(issuer: string): Claim[] {
    const fallen = [...this.#uses.keys()].filter((claim) => claim.issuer === issuer)
    for (const claim of fallen) this.#remove(claim)
    return fallen
  }

  all(): Iterable<Claim> {
    return this.#uses.keys()
  }

  clear(): void {
    this.#byPiece.fill(undefined)
    this.#toldCounts.clear()
    this.#uses.clear()
  }

  #enter(claim: Claim): Uses {
    const known = this.#uses.get(claim)
    if (known) return known
    const uses = { links: new Set<LinkId>(), pieces: 0 }
    this.#uses.set(claim, uses)
    for (let piece = claim.first; piece < claim.first + claim.count; piece++) {
      const claims = (this.#byPiece[piece] ??= [])
      if (this.backing(piece, hashIn(claim, piece)) || hashesOf(claims, piece) < maxHashesPerPiece) claims.push(claim)
    }
    return uses
  }

  #forgetUnused(claim: Claim, { links, pieces }: Uses): void {
    if (links.size === 0 && pieces === 0) this.#remove(claim)
  }

  #remove(claim: Claim): void {
    this.#uses.delete(claim)
    for (let piece = claim.first; piece < claim.first + claim.count; piece++) {
      const claims = this.#byPiece[piece]
      const index = claims?.indexOf(claim) ?? -1
      if (index >= 0) claims?.splice(index, 1)
    }
  }
}

const none: readonly Claim[] = []

function hashesOf(claims: readonly Claim[], piece: number): number {
  const different: Uint8Array[] = []
  for (const claim of claims) {
    const hash = hashIn(claim, piece)
    if (!different.some((known) => sameBytes(known, hash))) different.push(hash)
  }
  return different.length
}
