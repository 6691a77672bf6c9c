import { PeerError } from '../core/errors.ts'

/** The error for bytes that break docs/spec/wire.md; whoever catches it resets the stream and ends the link. */
export function violation(what: string, options?: ErrorOptions): PeerError {
  return new PeerError('ERR_PEER_PROTOCOL', `the peer broke the protocol: ${what}`, options)
}
