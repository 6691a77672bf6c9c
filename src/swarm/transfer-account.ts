import type { ByteCounts, PeerShare, TransferStats } from './transfer.ts'

interface Share {
  readonly foundBy: readonly string[]
  bytes: number
  bytesWhileIncomplete: number
}

/** Counts the bytes of one transfer by where they came from. */
export class TransferAccount {
  readonly #totalBytes: number
  readonly #storedBytes: number
  readonly #startedMs: number
  readonly #shares = new Map<string, Share>()
  #originBytes = 0
  #peerBytes = 0

  constructor(totalBytes: number, storedBytes: number, startedMs: number) {
    this.#totalBytes = totalBytes
    this.#storedBytes = storedBytes
    this.#startedMs = startedMs
  }

  fromOrigin(bytes: number): void {
    this.#originBytes += bytes
  }

  fromPeer(peerId: string, foundBy: readonly string[], bytes: number, peerIsComplete: boolean): void {
    const share = this.#shares.get(peerId) ?? { foundBy, bytes: 0, bytesWhileIncomplete: 0 }
    share.bytes += bytes
    if (!peerIsComplete) share.bytesWhileIncomplete += bytes
    this.#shares.set(peerId, share)
    this.#peerBytes += bytes
  }

  get bytes(): ByteCounts {
    return {
      total: this.#totalBytes,
      origin: this.#originBytes,
      peers: this.#peerBytes,
      stored: this.#storedBytes,
    }
  }

  stats(now: number): TransferStats {
    const peers = [...this.#shares].map(([peerId, share]) => ({ peerId, ...share, foundBy: [...share.foundBy] }))
    return { bytes: this.bytes, peers, ms: now - this.#startedMs }
  }
}

/** Transfers of several blobs as one; `ms` is that of the whole. */
export function mergeStats(all: readonly TransferStats[], ms: number): TransferStats {
  const bytes = { total: 0, origin: 0, peers: 0, stored: 0 }
  const peers = new Map<string, PeerShare>()
  for (const stats of all) {
    bytes.total += stats.bytes.total
    bytes.origin += stats.bytes.origin
    bytes.peers += stats.bytes.peers
    bytes.stored += stats.bytes.stored
    for (const share of stats.peers) {
      const before = peers.get(share.peerId)
      peers.set(share.peerId, {
        peerId: share.peerId,
        bytes: share.bytes + (before?.bytes ?? 0),
        bytesWhileIncomplete: share.bytesWhileIncomplete + (before?.bytesWhileIncomplete ?? 0),
        foundBy: [...new Set([...(before?.foundBy ?? []), ...share.foundBy])],
      })
    }
  }
  return { bytes, peers: [...peers.values()], ms }
}
