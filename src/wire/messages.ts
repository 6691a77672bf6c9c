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
}

/** A node that may be dialled; both fields in libp2p's binary forms. */
export interface Member {
  readonly peerId: Uint8Array
  readonly addresses: readonly Uint8Array[]
}

export interface Members {
  readonly type: 'members'
  readonly topic: Digest
  readonly members: readonly Member[]
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

export interface Hashes {
  readonly type: 'hashes'
  readonly digest: Digest
  readonly first: number
  readonly hashes: readonly Uint8Array[]
}

export interface Have {
  readonly type: 'have'
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

/** What travels on a control stream. */
export type ControlMessage = Hello | Join | Members | BitfieldMessage | Hashes | Have | Fetching | Forget

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
