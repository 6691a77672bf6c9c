import { PeerError } from '../core/errors.ts'

/** The error for a peer that cannot be reached, or not any more. */
export function unreachable(message: string, cause?: unknown): PeerError {
  return new PeerError('ERR_PEER_UNREACHABLE', message, { cause })
}

/** The error for a peer that takes more than its share, or more links than there are. */
export function overLimit(message: string): PeerError {
  return new PeerError('ERR_PEER_LIMIT', message)
}
