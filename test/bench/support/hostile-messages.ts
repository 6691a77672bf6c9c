/** How the node that is attacked starts. */
export interface HostileServerSetup {
  readonly storeDir: string
  /** Seed and length of the blob that it seeds. */
  readonly seed: number
  readonly sizeBytes: number
}

/** How an honest peer, or the attacker, starts. */
export interface HostilePeerSetup extends HostileServerSetup {
  readonly addresses: readonly string[]
  /** What the attacker does: `B14`; everything without it. */
  readonly only?: readonly string[] | undefined
}

/** What a process uses: bytes, CPU seconds since its start, and what keeps it busy. */
export interface ProcessUse {
  readonly rssBytes: number
  readonly heapBytes: number
  /** Buffers outside the heap. */
  readonly buffersBytes: number
  readonly handles: number
  readonly links: number
  readonly cpuSeconds: number
}

/** With `collect`, garbage goes first. */
export type ToServer = { readonly type: 'use'; readonly collect: boolean } | { readonly type: 'load'; readonly on: boolean }

export type FromServer =
  | { readonly type: 'ready'; readonly addresses: readonly string[] }
  | { readonly type: 'use'; readonly use: ProcessUse; readonly counters: Readonly<Record<string, number>>; readonly blobsLoaded: number }

export type ToPeer = { readonly type: 'count' }

/** Told by an honest peer: pieces that came and were right since the start. */
export type FromPeer =
  | { readonly type: 'ready' }
  | { readonly type: 'count'; readonly bytes: number; readonly wrongPieces: number; readonly lostLinks: number; readonly cpuSeconds: number }

/** Told by the attacker: how often it did what. */
export type FromAttacker =
  | { readonly type: 'ready' }
  | { readonly type: 'count'; readonly acts: Readonly<Record<string, number>>; readonly cpuSeconds: number }

/** Seed and length of the blobs that the attacked node loads meanwhile; the attacker says that it has them. */
export const bait = { firstSeed: 1000, sizeBytes: 1024 * 1024 } as const
