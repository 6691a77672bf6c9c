import type { Clock } from '../core/clock.ts'
import type { Digest } from '../core/digest.ts'
import type { Logger } from '../core/log.ts'
import type { Origin } from '../core/origin.ts'
import type { Random } from '../core/random.ts'
import type { LinkId } from '../engine/session-event.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { DialFilter } from '../net/dial-filter.ts'
import type { Link } from '../net/link.ts'
import type { Bans } from './bans.ts'
import type { BlobHistories } from './blob-history.ts'
import type { Leases } from './leases.ts'
import type { PieceStore } from '../store/piece-store.ts'
import type { RequestLane } from './request-lane.ts'
import type { Sharing } from './sharing.ts'
import type { SwarmEvents } from './swarm-events.ts'
import type { BitfieldMessage } from '../wire/messages.ts'

/** A link with what the node keeps beside it. */
export interface LinkEntry {
  readonly id: LinkId
  readonly link: Link
  readonly lane: RequestLane
  /** Where the peer stands among all nodes. */
  readonly place: Uint8Array
  /** It is a supernode, and we take it for one. */
  readonly supernode: boolean
  /**
   * One of us had links enough when the other came: who came is told whom to turn to, and asks for leases, but no blob moves between us.
   */
  guest: boolean
  /** When a guest last said something. */
  heardMs: number
  /** 0 same rack, 1 same zone, 2 same region or unknown, 3 another region. */
  readonly distance: number
  /** All the ways in which the peer was found; grows. */
  readonly foundBy: readonly string[]
  /** Topics that the peer told us it gathers around, the newest last. */
  readonly topics: Set<Digest>
  /** Blobs that the peer wants to hear of, the newest last. */
  readonly blobs: Set<Digest>
}

/** Signs in this node's name, and checks what others signed. Peer ids are in their binary form. */
export interface Identity {
  readonly peerId: Uint8Array
  readonly name: string
  sign(message: Uint8Array): Uint8Array
  isSignedBy(peerId: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  /** How the peer is called; `undefined` when that is no peer id. */
  nameOf(peerId: Uint8Array): string | undefined
}

/** Emits an event of {@link SwarmEvents}. */
export type Emit = <Name extends keyof SwarmEvents>(name: Name, detail: SwarmEvents[Name]['detail']) => void

/** What all parts of one node share. */
export interface SwarmContext {
  readonly store: PieceStore
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: Metrics
  readonly emit: Emit
  /** Our peer id, in its binary form. */
  readonly selfId: Uint8Array
  readonly identity: Identity
  /** Whether what an issuer signs may be handed on before the whole blob is verified. */
  readonly trusts: (issuer: string) => boolean
  /** Members of a closed network trust each other, and share what came with credentials. */
  readonly closedNetwork: boolean
  /** Who may read what. */
  readonly sharing: Sharing
  readonly originAllowed: boolean
  readonly bans: Bans
  /** Which of the addresses that peers advertise may be dialled. */
  readonly dialFilter: DialFilter
  readonly links: ReadonlyMap<LinkId, LinkEntry>
  /** This node is a supernode: it loads for itself what others ask it for. */
  readonly supernode: boolean
  readonly history: BlobHistories
  /** Asks for leave to read from origins. */
  readonly leases: Leases
  /** This node begins to read from an origin. */
  readonly reads: (origin: Origin) => void
  /** Bytes of unfinished pieces that this node may have in memory. */
  readonly inFlightBytes: number
  /** Bytes of pieces in memory that are on their way to peers. */
  readonly uploadBytes: number
}

/** The one answer about a blob that is not here, withheld, or unknown. */
export function emptyCopy(digest: Digest, sizeBytes: number): BitfieldMessage {
  const facts = { wants: false, complete: false, private: false }
  return { type: 'bitfield', digest, sizeBytes, ...facts, bits: new Uint8Array(0) }
}
