import type { Digest } from '../core/digest.ts'

/** Where a node stands; empty strings are unknown. Nearer peers are preferred. */
export interface Location {
  readonly region: string
  readonly zone: string
  readonly rack: string
}

export interface Hello {
  readonly type: 'hello'
  readonly version: number
  readonly supernode: boolean
  readonly location: Location
}

export interface Join {
  readonly type: 'join'
  readonly topic: Digest
  /** An answer is wanted. */
  readonly asks: boolean
}

/** A node that may be dialled; its id and addresses in libp2p's binary forms. */
export interface Member {
  readonly peerId: Uint8Array
  readonly supernode: boolean
  readonly location: Location
  readonly addresses: readonly Uint8Array[]
}

export interface Members {
  readonly type: 'members'
  readonly topic: Digest
  /** The answerer could not take the asker in: the nodes named here may. */
  readonly busy: boolean
  /** The answerer has links enough: no blob moves over this one. */
  readonly guest: boolean
  readonly members: readonly Member[]
  /** Nodes that stand nearer to the topic than the answerer. */
  readonly nearer: readonly Member[]
}

export interface BitfieldMessage {
  readonly type: 'bitfield'
  readonly digest: Digest
  /** 0 when the sender does not know it. */
  readonly sizeBytes: number
  readonly wants: boolean
  readonly complete: boolean
  readonly private: boolean
  /** Wire form of the bitfield; empty for no piece, and when `complete`. */
  readonly bits: Uint8Array
}

/** What somebody signed that the pieces from `first` on hash to. */
export interface ClaimMessage {
  readonly type: 'claim'
  readonly digest: Digest
  readonly sizeBytes: number
  readonly first: number
  /** Peer id of who signed. */
  readonly issuer: Uint8Array
  readonly signature: Uint8Array
  /** 32 bytes for each piece; for at least one. */
  readonly hashes: Uint8Array
}

export interface Have {
  readonly type: 'have'
  readonly digest: Digest
  readonly pieces: readonly number[]
}

/** Pieces that the sender brought in and told nobody else of. */
export interface Fresh {
  readonly type: 'fresh'
  readonly digest: Digest
  readonly pieces: readonly number[]
}

/** Consecutive pieces `[first, first + count)`. */
export interface PieceRun {
  readonly first: number
  readonly count: number
}

export interface Fetching {
  readonly type: 'fetching'
  readonly digest: Digest
  readonly runs: readonly PieceRun[]
}

export interface Forget {
  readonly type: 'forget'
  readonly digest: Digest
}

/** A small public blob, unasked for. */
export interface Inline {
  readonly type: 'inline'
  readonly digest: Digest
  /** The whole blob; at least one byte. */
  readonly bytes: Uint8Array
}

/** What somebody would like to read from the origin. */
export interface LeaseAsk {
  readonly type: 'lease-ask'
  readonly digest: Digest
  /** 0 when the asker does not know it. */
  readonly sizeBytes: number
  /** Peer id of who wants it: asks are forwarded. */
  readonly holder: Uint8Array
  /** The asker knows that the blob had another tracker. */
  readonly takeover: boolean
  /** How often it was forwarded. */
  readonly hops: number
  readonly region: string
  /** Of the lease held; 0 for none. */
  readonly number: number
  /** What the holder gets of the blob in all. */
  readonly rateBytesPerSecond: number
  /** Pieces wanted on top of those held. */
  readonly count: number
  readonly held: readonly PieceRun[]
  /** In order of preference. */
  readonly wanted: readonly PieceRun[]
}

export interface LeaseGrant {
  /** Who has the pieces; `undefined` is the origin. */
  readonly source: Member | undefined
  readonly runs: readonly PieceRun[]
}

export interface LeaseMessage {
  readonly type: 'lease'
  readonly digest: Digest
  readonly holder: Uint8Array
  readonly number: number
  readonly validMs: number
  readonly retryAfterMs: number
  readonly grants: readonly LeaseGrant[]
}

/** A host asks to be left alone. */
export interface HoldOff {
  readonly type: 'hold-off'
  /** Stands for the host: a hash of its name. */
  readonly topic: Digest
  readonly durationMs: number
}

/** Says that the sender may read some repositories: docs/spec/sharing.md has its form. */
export interface GrantMessage {
  readonly type: 'grant'
  /** At least one byte. */
  readonly grant: Uint8Array
}

/** What travels on a control stream. */
export type ControlMessage =
  | Hello
  | Join
  | Members
  | BitfieldMessage
  | ClaimMessage
  | Have | Fresh
  | Fetching
  | Forget
  | Inline
  | LeaseAsk
  | LeaseMessage
  | HoldOff
  | GrantMessage

export interface Request {
  readonly type: 'request'
  readonly digest: Digest
  readonly piece: number
}

/** Followed by `sizeBytes` raw bytes. */
export interface PieceHeader {
  readonly type: 'piece'
  readonly sizeBytes: number
}

export interface Busy {
  readonly type: 'busy'
  readonly retryAfterMs: number
}

export interface Absent {
  readonly type: 'absent'
}

/** What a holder answers. */
export type Reply = PieceHeader | Busy | Absent

/** What travels on a data stream. */
export type DataMessage = Request | Reply

export type Message = ControlMessage | DataMessage
