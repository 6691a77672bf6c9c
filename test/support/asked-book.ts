import assert from 'node:assert/strict'
import type { LeaseAnswer, LeaseRequest } from '../../src/engine/lease.ts'
import { LeaseBook } from '../../src/engine/lease-book.ts'
import { runsFrom } from '../../src/engine/session-state.ts'
import { drawPieces } from '../../src/testing/swarm-picture.ts'
import type { PieceRun } from '../../src/wire/messages.ts'

const mib = 1024 * 1024

/** An ask, with pieces drawn: `'** *'`, one character a piece. */
export interface DrawnAsk {
  /** As many as are wanted, if not said. */
  readonly count?: number
  readonly held?: string
  readonly wanted?: string
  /** Takes the place of `wanted` where the order matters. */
  readonly wantedRuns?: readonly PieceRun[]
  readonly region?: string
  readonly supernode?: boolean
  readonly takeover?: boolean
  readonly rate?: number
}

/** A book that a test asks, on a clock that the test moves; what must always hold is checked after each ask. */
export class AskedBook {
  readonly book: LeaseBook
  readonly pieceCount: number
  now = 1000
  /** Of the last answer. */
  last: LeaseAnswer = { number: 0, validMs: 0, retryAfterMs: 0, grants: [] }
  /** What chance the book draws. */
  chance = 0

  constructor(pieceCount: number) {
    this.pieceCount = pieceCount
    this.book = new LeaseBook(pieceCount, mib)
  }

  /** Returns what may be read from the origin. */
  ask(holder: string, ask: DrawnAsk): string {
    this.last = this.book.ask(requestOf(holder, ask), this.now, this.chance)
    assert.deepEqual(this.book.broken(this.now), [])
    return this.from(undefined)
  }

  /** What the last answer says may come from a source; the origin is `undefined`. */
  from(source: string | undefined): string {
    const pieces = this.last.grants.filter((grant) => grant.source === source).flatMap(({ runs }) => piecesIn(runs))
    return drawPieces(pieces, this.pieceCount).replaceAll(' ', '.')
  }

  gone(holder: string): void {
    this.book.gone(holder, this.now)
    assert.deepEqual(this.book.broken(this.now), [])
  }

  /** Asks like the first one for everything. */
  get all(): string {
    return '*'.repeat(this.pieceCount)
  }
}

export function requestOf(holder: string, ask: DrawnAsk): LeaseRequest {
  const { held = '', wanted = '', region = '', supernode = false, takeover = false, rate = 0 } = ask
  const wantedPieces = piecesOf(wanted)
  return {
    holder,
    region,
    supernode,
    takeover,
    count: ask.count ?? wantedPieces.length,
    held: runsFrom(piecesOf(held), 64),
    wanted: ask.wantedRuns ?? runsFrom(wantedPieces, 64),
    rateBytesPerSecond: rate,
  }
}

export function piecesOf(drawing: string): number[] {
  return Array.from(drawing).flatMap((mark, piece) => (mark === '*' ? [piece] : []))
}

export function piecesIn(runs: readonly PieceRun[]): number[] {
  return runs.flatMap(({ first, count }) => Array.from({ length: count }, (_, index) => first + index))
}
