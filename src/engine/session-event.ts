import type { PieceRun } from '../wire/messages.ts'

/** A link, as the engine knows it: a small number that this node gave it. */
export type LinkId = number

/** How a request for a piece ended. */
export type RequestOutcome =
  | { readonly kind: 'verified' }
  | { readonly kind: 'corrupt' }
  | { readonly kind: 'failed' }
  | { readonly kind: 'absent' }
  | { readonly kind: 'busy'; readonly retryAfterMs: number }

/** How a session goes on after a mismatch: as before, from the origin alone, or not at all. */
export type AfterMismatch = 'load' | 'origin' | 'peer-mismatch' | 'origin-mismatch'

/** Everything the world can tell a session. */
export type SessionEvent =
  | {
      readonly type: 'link:opened'
      readonly link: LinkId
      /** How far away the peer is: 0 same rack, 1 same zone, 2 same region or unknown, 3 another region. */
      readonly distance: number
      /** Whether we let go when both fetch the same piece from the origin. */
      readonly weYield: boolean
    }
  | { readonly type: 'link:closed'; readonly link: LinkId }
  | {
      /** The peer's copy, with only those pieces that it can vouch for. `holds` replaces what was known. */
      readonly type: 'link:copy'
      readonly link: LinkId
      readonly holds: readonly number[] | 'all'
      readonly wants: boolean
    }
  | { readonly type: 'link:have'; readonly link: LinkId; readonly pieces: readonly number[] }
  /** Pieces of which the peer told us alone. */
  | { readonly type: 'link:fresh'; readonly link: LinkId; readonly pieces: readonly number[] }
  | { readonly type: 'link:fetching'; readonly link: LinkId; readonly runs: readonly PieceRun[] }
  | { readonly type: 'link:forgot'; readonly link: LinkId }
  /** The peer gathers from now on around what the blob is wanted for: what it did not have, it may have now. */
  | { readonly type: 'link:joined'; readonly link: LinkId }
  /** Whether anybody here waits for the blob, and whether one of them brought an origin that may be used. */
  | { readonly type: 'demand:changed'; readonly wanted: boolean; readonly originUsable: boolean }
  /** Where readers are: the piece that each one waits for. */
  | { readonly type: 'readers:moved'; readonly pieces: readonly number[] }
  /** The first round of discovery is over: whoever could be found at once has been. */
  | { readonly type: 'discovery:settled' }
  /** A request left for the peer; until now it waited for a free data stream. */
  | { readonly type: 'request:sent'; readonly link: LinkId; readonly piece: number }
  | { readonly type: 'request:moved'; readonly link: LinkId; readonly piece: number; readonly bytes: number }
  | {
      readonly type: 'request:ended'
      readonly link: LinkId
      readonly piece: number
      readonly outcome: RequestOutcome
    }
  /** A verified piece is in the scratch and may be given to others. */
  | { readonly type: 'piece:stored'; readonly piece: number; readonly from: LinkId | 'origin' }
  | { readonly type: 'origin:moved'; readonly run: number }
  /** All pieces of the run were read and stored. */
  | { readonly type: 'origin:ended'; readonly run: number }
  | {
      readonly type: 'origin:failed'
      readonly run: number
      readonly retryable: boolean
      readonly retryAfterMs: number | undefined
    }
  /** The origin asked to be left alone, and the run waits for that long: a wait that is no standstill. */
  | { readonly type: 'origin:waits'; readonly run: number; readonly durationMs: number }
  /** A peer was given a piece whole. */
  | { readonly type: 'piece:given'; readonly link: LinkId; readonly piece: number }
  | {
      /** What a tracker lets us read from now on, in place of all that it let us read before. */
      readonly type: 'lease:answered'
      /** 0 where there is no lease. */
      readonly number: number
      readonly validMs: number
      readonly retryAfterMs: number
      /** From the origin. */
      readonly runs: readonly PieceRun[]
      /** From peers in other regions. */
      readonly imports: readonly { readonly link: LinkId; readonly runs: readonly PieceRun[] }[]
    }
  /** No tracker is in reach. `swarmSize` estimates how many nodes are in the same position. */
  | { readonly type: 'lease:silent'; readonly swarmSize: number }
  /** The tracker that gave the lease is gone. */
  | { readonly type: 'tracker:lost' }
  /** The whole blob was hashed. */
  | { readonly type: 'blob:checked'; readonly ok: true }
  | {
      /** The whole does not match: these pieces are not to be kept. */
      readonly type: 'blob:checked'
      readonly ok: false
      readonly drop: readonly number[]
      readonly next: AfterMismatch
    }
  /** What these pieces rested on turned out false. */
  | { readonly type: 'pieces:refuted'; readonly pieces: readonly number[] }
  /** A link cannot be asked for these pieces any more: nobody can check what it would send. */
  | { readonly type: 'link:lost'; readonly link: LinkId; readonly pieces: readonly number[] }
  /** What a piece is stands in doubt: the origin is to say, whether the piece is here or not. */
  | { readonly type: 'piece:doubted'; readonly piece: number }
  /** Peers have cost enough: what is missing comes from the origin. */
  | { readonly type: 'peers:spent' }
  | { readonly type: 'tick' }
