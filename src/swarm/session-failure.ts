import type { Digest } from '../core/digest.ts'
import { TransferError } from '../core/errors.ts'
import type { FailReason } from '../engine/effect.ts'

/**
 * What callers are told when a session gives up.
 *
 * @param originName - the origin that was to be asked; `undefined` when none may be
 * @param originError - how it failed last
 */
export function failureOf(
  reason: FailReason,
  digest: Digest,
  originName: string | undefined,
  originError: unknown,
): unknown {
  if (reason === 'origin-mismatch') return originError
  const failed = originError instanceof Error ? originError.message : 'it gave no reason'
  const why = originName === undefined ? 'no origin may be asked' : `${originName} failed: ${failed}`
  const message =
    reason === 'peer-mismatch'
      ? `peers sent bytes that do not match ${digest}, and ${why}`
      : `no peer has ${digest}, and ${why}; start a node that has it, or the registry`
  return new TransferError('ERR_SWARM_NO_SOURCE', message, { cause: originError })
}
