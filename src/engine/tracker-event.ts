import type { Digest } from '../core/digest.ts'
import type { PieceRun } from '../wire/messages.ts'
import type { LeaseAnswer, LeaseRequest } from './lease.ts'
import type { RankedPeer } from './ranks.ts'
import type { LinkId } from './session-event.ts'
import type { TopicMember } from './topic-members.ts'

/** A blob of which leases are asked. */
export interface LeasedBlob {
  readonly digest: Digest
  /** The digest's own bytes: where the blob stands among the nodes. */
  readonly place: Uint8Array
  /** 0 while it is not known. */
  readonly sizeBytes: number
  /** 1 while the size is not known: then the whole blob is asked for as one. */
  readonly pieceCount: number
  readonly pieceLength: number
}

/** Our own session's ask. */
export interface OwnAsk {
  readonly number: number
  readonly count: number
  readonly held: readonly PieceRun[]
  readonly wanted: readonly PieceRun[]
  readonly rateBytesPerSecond: number
}

/** An ask as it travels: by its holder, or forwarded. */
export interface TravellingAsk extends LeaseRequest {
  readonly number: number
  readonly hops: number
}

/** Everything the world can tell a tracker; each node is one, and asks through it. */
export type TrackerEvent =
  | { readonly type: 'link:opened'; readonly link: LinkId; readonly peer: RankedPeer & TopicMember }
  | { readonly type: 'link:closed'; readonly link: LinkId }
  /** A node that was to be linked could not be reached, or is there and took nobody in. */
  | { readonly type: 'connect:failed'; readonly key: string; readonly refused: boolean }
  | {
      readonly type: 'topic:joined'
      readonly link: LinkId
      readonly topic: Digest
      readonly place: Uint8Array
      /** Whether an answer is wanted. */
      readonly asks: boolean
      /** Nodes known to us, by their rank for the topic. */
      readonly ranks: readonly RankedPeer[]
    }
  /** Members that another node named. */
  | { readonly type: 'members:told'; readonly topic: Digest; readonly members: readonly TopicMember[] }
  | {
      readonly type: 'lease:wanted'
      readonly blob: LeasedBlob
      readonly ask: OwnAsk
      /** The nearest nodes known to us that can be asked. */
      readonly ranks: readonly RankedPeer[]
    }
  | {
      readonly type: 'lease:asked'
      readonly link: LinkId
      readonly blob: LeasedBlob
      readonly ask: TravellingAsk
      readonly ranks: readonly RankedPeer[]
    }
  | {
      readonly type: 'lease:told'
      readonly link: LinkId
      readonly digest: Digest
      readonly holder: string
      readonly answer: LeaseAnswer
    }
  /** A host asked us to leave it alone; `link` is who said so, if not the host. */
  | {
      readonly type: 'host:held-off'
      readonly topic: Digest
      readonly durationMs: number
      readonly link: LinkId | undefined
      readonly ranks: readonly RankedPeer[]
    }
  | { readonly type: 'tick' }

/** Everything a tracker can ask of the world. */
export type TrackerEffect =
  | {
      readonly type: 'introduce'
      readonly link: LinkId
      readonly topic: Digest
      readonly busy: boolean
      readonly members: readonly string[]
      readonly nearer: readonly string[]
    }
  | { readonly type: 'send-ask'; readonly link: LinkId; readonly blob: LeasedBlob; readonly ask: TravellingAsk }
  | {
      readonly type: 'send-lease'
      readonly link: LinkId
      readonly digest: Digest
      readonly holder: string
      readonly answer: LeaseAnswer
    }
  /** Link to a node that may be a tracker; `link:opened` or `connect:failed` follows. */
  | { readonly type: 'connect'; readonly key: string }
  /** For our own session. `from` is who answered, ourselves included. */
  | { readonly type: 'answer'; readonly digest: Digest; readonly answer: LeaseAnswer; readonly from: string }
  | { readonly type: 'silent'; readonly digest: Digest }
  | { readonly type: 'tracker-lost'; readonly digest: Digest }
  | { readonly type: 'send-hold-off'; readonly link: LinkId; readonly topic: Digest; readonly durationMs: number }
