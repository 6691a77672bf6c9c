/** Numbers of the wire protocol; docs/spec/wire.md says what they mean. */

export const controlProtocol = '/damselfly/control/1.0.0'
export const pieceProtocol = '/damselfly/piece/1.0.0'
export const protocolVersion = 1

export const limits = {
  /** Payload of a frame. A message with everything at its limit fits. */
  frameBytes: 65_536,
  varintBytes: 8,
  members: 32,
  addressesPerMember: 8,
  peerIdBytes: 64,
  addressBytes: 240,
  locationBytes: 64,
  bitfieldBytes: 8192,
  hashesPerMessage: 1024,
  piecesPerHave: 4096,
  runsPerFetching: 64,
  busyMs: 60_000,
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
