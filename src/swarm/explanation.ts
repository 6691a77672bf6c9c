import type { Digest } from '../core/digest.ts'
import type { BlobHistories, TimedBlobEvent } from './blob-history.ts'
import type { BlobSession } from './blob-session.ts'
import type { SwarmContext } from './swarm-context.ts'
import type { ByteCounts, PeerShare } from './transfer.ts'

/**
 * A peer, as far as one blob is concerned.
 * @public
 */
export interface ExplainedPeer {
  readonly peerId: string
  /** All the ways in which it was found, the first one first. */
  readonly foundBy: readonly string[]
  /** 0 same rack, 1 same zone, 2 same region or unknown, 3 another region. */
  readonly distance: number
  /** It said what it holds, since it was asked. */
  readonly answered: boolean
  /** Pieces that it is known to hold. */
  readonly pieces: number
  /** It is loading the blob itself. */
  readonly wants: boolean
  /** It sent wrong bytes, and is not asked any more. */
  readonly distrusted: boolean
  /** Its last requests came to nothing. */
  readonly snubbed: boolean
  /** How long it takes to give a piece, in milliseconds; `undefined` before the first one. */
  readonly meanMs: number | undefined
}

/**
 * What became of a blob on this node and why: who was asked, who answered, which bytes came from where, why the origin was used.
 * @public
 */
export interface Explanation {
  readonly digest: Digest
  /** `undefined` for a blob that this node has not open: then there is its history only. */
  readonly phase: 'idle' | 'loading' | 'checking' | 'complete' | 'failed' | undefined
  readonly pieces: { readonly total: number; readonly stored: number; readonly leased: number }
  readonly bytes: ByteCounts
  /** Taken from peers and thrown away, while the blob is open here. */
  readonly wastedBytes: number
  /** What each peer gave. */
  readonly shares: readonly PeerShare[]
  /** Peers that are linked now. */
  readonly peers: readonly ExplainedPeer[]
  /** What happened lately, the oldest first, that of its topic included. */
  readonly events: readonly TimedBlobEvent[]
}

/** Puts together what is known of a blob. */
export function explainBlob(
  digest: Digest,
  session: BlobSession | undefined,
  histories: BlobHistories,
  links: SwarmContext['links'],
): Explanation {
  const events = histories.of(digest)
  if (!session) {
    return {
      digest,
      phase: undefined,
      pieces: { total: 0, stored: 0, leased: 0 },
      bytes: histories.bytesOf(digest)?.bytes ?? { total: 0, origin: 0, peers: 0, stored: 0 },
      wastedBytes: 0,
      shares: histories.bytesOf(digest)?.peers ?? [],
      peers: [],
      events,
    }
  }
  const { state } = session
  const { bytes, peers: shares } = session.account.stats(session.now())
  const peers = state.nearestFirst.flatMap((link): ExplainedPeer[] => {
    const entry = links.get(link.id)
    if (!entry) return []
    const { answered, wants, distrusted, distance } = link
    return [
      {
        peerId: entry.link.peerId,
        foundBy: [...entry.foundBy],
        distance,
        answered,
        pieces: link.holds.count,
        wants,
        distrusted,
        snubbed: link.score.snubbed,
        meanMs: link.score.meanMs,
      },
    ]
  })
  const pieces = { total: state.layout.pieceCount, stored: state.stored.count, leased: state.lease.pieces.count }
  return { digest, phase: state.phase, pieces, bytes, wastedBytes: session.wastedBytes, shares, peers, events }
}
