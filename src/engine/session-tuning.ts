/** Numbers that decide how a session behaves; all have defaults in {@link defaultTuning}. */
export interface SessionTuning {
  /** Requests that may be out in all, at least. */
  readonly minRequests: number
  /** Bytes that may be asked for and not be here, at most. */
  readonly inFlightBytes: number
  /** How much of the download rate is kept outstanding, in milliseconds. */
  readonly aheadMs: number
  /** Silence of a peer that ends its request, whoever else has the piece; of all sources, that sends us to the origin. */
  readonly idleMs: number
  /** How long the origin waits for discovery and for peers to say what they have. */
  readonly settleMs: number
  /** A peer that fetches but shows no progress for this long is not counted on; nor is the origin where a peer could give. */
  readonly fetchStaleMs: number
  /** While they move, runs are announced again after this long, so that they do not look stale. */
  readonly fetchRenewMs: number
  /** Haves are sent together: this long after those before them, at the soonest. */
  readonly haveDelayMs: number
  /** A piece from outside is told to one peer first, and to all when that has it; after this long in any case. */
  readonly freshMs: number
  /** How many pieces that nobody near has a node may bring in while others want them: what is lost with it. */
  readonly soleCopies: number
  /** The same where there are regions, whose distance keeps more under way. */
  readonly farSoleCopies: number
  /** How much work is leased at once, in milliseconds of our own pace. */
  readonly leaseAheadMs: number
  /** While bytes come, a lease is renewed after this long. */
  readonly leaseRenewMs: number
  /** Without progress for this long, a session that has sources gives up. */
  readonly patienceMs: number
  /** Attempts at an origin that fails but may recover. */
  readonly originTries: number
}

/** Where the simulator found its optimum, and the design's constants. */
export const defaultTuning: SessionTuning = {
  minRequests: 12,
  inFlightBytes: 64 * 1024 * 1024,
  aheadMs: 100,
  idleMs: 3000,
  settleMs: 1000,
  fetchStaleMs: 3000,
  fetchRenewMs: 1000,
  haveDelayMs: 20,
  freshMs: 250,
  soleCopies: 8,
  farSoleCopies: 24,
  leaseAheadMs: 2000,
  leaseRenewMs: 500,
  patienceMs: 30_000,
  originTries: 5,
}
