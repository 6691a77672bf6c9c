import { OriginError, RequestError, StoreError, SwarmError, TransferError } from '../core/errors.ts'
import { printErrorBody, type DistributionErrorCode } from '../oci/distribution-error.ts'
import { jsonAnswer, type MirrorAnswer } from './mirror-answer.ts'
import { Refusal } from './refusal.ts'

/** An answer with an OCI error body. */
export function refusalAnswer({ status, code, message, headers }: Refusal): MirrorAnswer {
  return jsonAnswer(status, printErrorBody(code, message), headers)
}

/**
 * How a failure is told to a container engine. Engines go to their next host after 404 and 5xx only, so what they could not help anyway is one of these;
 * they wait long, and on this mirror, after 429.
 *
 * @param unknown - what a thing is called that is not there
 */
export function refusalOf(error: unknown, unknown: DistributionErrorCode): Refusal {
  const cause = error instanceof TransferError && error.cause instanceof SwarmError ? error.cause : error
  if (error instanceof TransferError && error.code === 'ERR_SWARM_CLOSED') {
    return new Refusal(503, 'UNAVAILABLE', 'the mirror is closing', { connection: 'close' })
  }
  if (cause instanceof OriginError) {
    switch (cause.code) {
      case 'ERR_ORIGIN_NOT_FOUND':
        return new Refusal(404, unknown, 'neither the registry nor a peer has it')
      case 'ERR_ORIGIN_TYPE':
        return new Refusal(404, unknown, 'what is there is something else')
      case 'ERR_ORIGIN_AUTH':
      case 'ERR_ORIGIN_DENIED':
        // With its own credentials the engine may be let in there.
        return new Refusal(404, unknown, 'this node may not read it at the registry')
      default:
        return new Refusal(502, 'UNAVAILABLE', `the registry failed (${cause.code}), and no peer helps`)
    }
  }
  if (error instanceof TransferError) return new Refusal(502, 'UNAVAILABLE', 'no peer has it, and no registry may be asked')
  if (error instanceof RequestError) return new Refusal(502, 'UNAVAILABLE', `it is not what it was said to be (${error.code})`)
  if (error instanceof StoreError) return new Refusal(502, 'UNAVAILABLE', `this node cannot keep it (${error.code})`)
  return new Refusal(500, 'UNAVAILABLE', 'the mirror failed')
}
