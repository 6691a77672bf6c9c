/**
 * A link, in {@link SwarmStats}.
 * @public
 */
export interface LinkStats {
  readonly peerId: string
  readonly remoteAddress: string
  /** All the ways in which the peer was found so far, the first one first. */
  readonly foundBy: readonly string[]
  /** Who opened it. */
  readonly inbound: boolean
}

/**
 * What a node did since it started.
 * @public
 */
export interface SwarmStats {
  readonly peerId: string
  readonly links: readonly LinkStats[]
  readonly bytes: {
    /** Read from origins. */
    readonly origin: number
    /** Received from peers, and as claimed; if the whole did not match, some of it was thrown away later. */
    readonly peers: number
    /** Given to peers. */
    readonly served: number
    /** Those of blobs that were not whole here when they left. */
    readonly servedWhileIncomplete: number
  }
}
