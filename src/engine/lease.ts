import type { PieceRun } from '../wire/messages.ts'

/** How long a holder may read on without being heard of. */
export const leaseMs = 3000

/** What somebody asks of the tracker of a blob. */
export interface LeaseRequest {
  /** Peer id, or any other name of who wants to read. */
  readonly holder: string
  readonly region: string
  /** It is to go first. */
  readonly supernode: boolean
  /** It knows that another tracker was asked before. */
  readonly takeover: boolean
  readonly count: number
  readonly held: readonly PieceRun[]
  readonly wanted: readonly PieceRun[]
  readonly rateBytesPerSecond: number
}

/** What the tracker answers: all that the holder may read from now on. */
export interface LeaseAnswer {
  /** 0 where nothing is granted. */
  readonly number: number
  readonly validMs: number
  readonly retryAfterMs: number
  readonly grants: readonly LeaseGrantTo[]
}

export interface LeaseGrantTo {
  /** Who has the pieces, in another region; without one, the origin. */
  readonly source: string | undefined
  readonly runs: readonly PieceRun[]
}
