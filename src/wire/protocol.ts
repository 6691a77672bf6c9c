/** Numbers of the wire protocol; docs/spec/wire.md says what they mean. */

export const controlProtocol = '/damselfly/control/1.0.0'
export const pieceProtocol = '/damselfly/piece/1.0.0'
export const protocolVersion = 1

export const limits = {
  /** Payload of a frame. A message with everything at its limit fits. */
  frameBytes: 65_536,
  varintBytes: 8,
  members: 16,
  nearer: 8,
  addressesPerMember: 8,
  peerIdBytes: 64,
  addressBytes: 240,
  locationBytes: 64,
  bitfieldBytes: 8192,
  hashesPerClaim: 1024,
  signatureBytes: 64,
  piecesPerHave: 4096,
  piecesPerFresh: 64,
  /** Runs in each list of them. */
  runs: 64,
  busyMs: 60_000,
  /** Longest blob that is sent unasked. */
  inlineBytes: 16_384,
  /** How often an ask for a lease is forwarded. */
  leaseHops: 3,
  leaseRateBytesPerSecond: 1_099_511_627_776,
  /** Pieces that one ask may want on top of those held. */
  leasePieces: 4096,
  grantsPerLease: 4,
  /** How long a lease holds, and how long until the next ask. */
  leaseMs: 60_000,
  holdOffMs: 60_000,
  grantBytes: 512,
  /** Grants that are taken in on one link. */
  grantsPerLink: 16,
  /** Control bytes that may wait for a peer that reads slowly. */
  controlBacklogBytes: 4_194_304,
  /** Data streams that a node opens to one peer, and accepts from it. */
  dataStreams: 4,
  /** Requests of one peer that wait in our queue. */
  queuedRequestsPerPeer: 16,
  blobsPerPeer: 4096,
  topicsPerPeer: 1024,
  greetingMs: 10_000,
} as const
