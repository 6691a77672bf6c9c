import type { Digest } from '../core/digest.ts'
import type { LeaseAnswer } from '../engine/lease.ts'
import type { LeasedBlob, TravellingAsk } from '../engine/tracker-event.ts'
import type { LeaseAsk, LeaseMessage, Member, PieceRun } from '../wire/messages.ts'
import { limits } from '../wire/protocol.ts'

/** An ask, as the wire carries it. */
export function leaseAskMessage({ digest, sizeBytes }: LeasedBlob, ask: TravellingAsk, holder: Uint8Array): LeaseAsk {
  const { takeover, hops, region, number, count, held, wanted } = ask
  return {
    type: 'lease-ask',
    digest,
    sizeBytes,
    holder,
    takeover,
    hops,
    region,
    number,
    rateBytesPerSecond: ask.rateBytesPerSecond,
    count,
    held,
    wanted,
  }
}

/** An ask, as the engine understands it. */
export function fromWireAsk(message: LeaseAsk, holder: string, supernode: boolean): TravellingAsk {
  const { region, takeover, number, hops, count, held, wanted, rateBytesPerSecond } = message
  return { holder, region, supernode, takeover, number, hops, count, held, wanted, rateBytesPerSecond }
}

/**
 * An answer, as the wire carries it.
 * @param sources - by grant: where the peer is that has the pieces; without that, its grant is of no use
 */
export function leaseMessage(
  digest: Digest,
  holder: Uint8Array,
  answer: LeaseAnswer,
  sources: readonly (Member | undefined)[],
): LeaseMessage {
  const grants = answer.grants
    .map(({ source, runs }, index) => ({ source: sources[index], runs, useful: source === undefined || sources[index] !== undefined }))
    .filter(({ useful }) => useful)
    .slice(0, limits.grantsPerLease)
    .map(({ source, runs }) => ({ source, runs }))
  const { number, validMs, retryAfterMs } = answer
  return {
    type: 'lease',
    digest,
    holder,
    number: grants.length < answer.grants.length && grants.length === 0 ? 0 : number,
    validMs: Math.round(validMs),
    retryAfterMs: Math.min(Math.round(retryAfterMs), limits.leaseMs),
    grants,
  }
}

/** Grants of an answer; those from somebody who cannot be read are left out. */
export function readGrants(
  { grants }: LeaseMessage,
  nameOf: (source: Member) => string | undefined,
): LeaseAnswer['grants'] {
  return grants.flatMap(({ source, runs }) => {
    const name = source && nameOf(source)
    return source && name === undefined ? [] : [{ source: name, runs }]
  })
}

/** Pieces in runs, all together. */
export function runCount(runs: readonly PieceRun[]): number {
  return runs.reduce((sum, { count }) => sum + count, 0)
}
