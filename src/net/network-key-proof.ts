import { createHmac, randomBytes, timingSafeEqual, type KeyObject } from 'node:crypto'
import type { Clock } from '../core/clock.ts'
import { PeerError } from '../core/errors.ts'
import type { Libp2pMessageStream, ReceivedBytes } from './libp2p-types.ts'

/** The initiator dialled. */
export type NetworkKeyRole = 'initiator' | 'responder'

const label = Buffer.from('damselfly/network-key/1\0')
const roleByte = { initiator: 1, responder: 2 } as const
const nonceBytes = 32
const proofBytes = 32
const timeToProveMs = 10_000

/** What both ends of one connection know; ids are peer ids in binary form. */
export interface ProofContext {
  readonly initiatorId: Uint8Array
  readonly responderId: Uint8Array
  readonly initiatorNonce: Uint8Array
  readonly responderNonce: Uint8Array
}

/** The proof that the end of that role sends; docs/spec/network-key.md, "Exchange". */
export function networkKeyProof(
  secret: KeyObject,
  role: NetworkKeyRole,
  context: ProofContext,
): Uint8Array {
  const hmac = createHmac('sha256', secret).update(label).update(Uint8Array.of(roleByte[role]))
  for (const id of [context.initiatorId, context.responderId]) {
    hmac.update(Uint8Array.of(id.byteLength >> 8, id.byteLength & 0xff)).update(id)
  }
  return hmac.update(context.initiatorNonce).update(context.responderNonce).digest()
}

/** One end of an exchange of proofs. */
export interface ProofInit {
  readonly secret: KeyObject
  readonly role: NetworkKeyRole
  /** Both peer ids as noise proved them. */
  readonly ids: { readonly ours: Uint8Array; readonly theirs: Uint8Array }
  readonly clock: Clock
  readonly signal: AbortSignal | undefined
}

/**
 * Proves the network's key to the other end of a secured connection, and has it proved. What arrives behind the proof
 * stays on the stream. A failure resets the stream; the other end is not told why.
 *
 * @throws {@link PeerError} `ERR_PEER_REFUSED` when the other end does not prove the key, or ends the connection
 * @throws `signal.reason` when aborted
 */
export function proveNetworkKey(stream: Libp2pMessageStream, init: ProofInit): Promise<void> {
  const { secret, role, ids, clock, signal } = init
  const otherRole = role === 'initiator' ? 'responder' : 'initiator'
  const nonce = randomBytes(nonceBytes)
  let received: Uint8Array = new Uint8Array(0)
  let context: ProofContext | undefined

  return new Promise((resolve, reject) => {
    const cancelTimer = clock.after(timeToProveMs, () =>
      fail(refused('did not prove the network key in time')),
    )
    stream.addEventListener('message', onMessage)
    stream.addEventListener('close', onClose)
    signal?.addEventListener('abort', onAbort)
    if (signal?.aborted) onAbort()
    else trySend(nonce)

    function onMessage({ data }: { data: ReceivedBytes }): void {
      received = Buffer.concat([received, data.subarray()])
      if (!context && received.byteLength >= nonceBytes) {
        context = proofContext(role, ids, nonce, received.subarray(0, nonceBytes))
        if (!trySend(networkKeyProof(secret, role, context))) return
      }
      if (context && received.byteLength >= nonceBytes + proofBytes) check(context)
    }

    function check(context: ProofContext): void {
      const proof = received.subarray(nonceBytes, nonceBytes + proofBytes)
      if (!timingSafeEqual(proof, networkKeyProof(secret, otherRole, context))) {
        return fail(refused('does not have our network key'))
      }
      stopListening()
      // Muxer frames may share a message with the proof; whoever listens next gets them first.
      stream.unshift(received.subarray(nonceBytes + proofBytes))
      resolve()
    }

    function trySend(bytes: Uint8Array): boolean {
      try {
        stream.send(bytes)
        return true
      } catch (error) {
        fail(refused('ended the connection before the network key was proved', error))
        return false
      }
    }

    function onClose(): void {
      fail(refused('ended the connection before the network key was proved'))
    }

    function onAbort(): void {
      fail(signal?.reason)
    }

    function fail(reason: unknown): void {
      stopListening()
      reject(reason)
      stream.abort(reason instanceof Error ? reason : refused('was given up'))
    }

    function stopListening(): void {
      cancelTimer()
      stream.removeEventListener('message', onMessage)
      stream.removeEventListener('close', onClose)
      signal?.removeEventListener('abort', onAbort)
    }
  })
}

function proofContext(
  role: NetworkKeyRole,
  ids: ProofInit['ids'],
  ourNonce: Uint8Array,
  theirNonce: Uint8Array,
): ProofContext {
  const ours = { id: ids.ours, nonce: ourNonce }
  const theirs = { id: ids.theirs, nonce: theirNonce }
  const [initiator, responder] = role === 'initiator' ? [ours, theirs] : [theirs, ours]
  return {
    initiatorId: initiator.id,
    responderId: responder.id,
    initiatorNonce: initiator.nonce,
    responderNonce: responder.nonce,
  }
}

function refused(what: string, cause?: unknown): PeerError {
  const advice = 'give all nodes of the network the same network.key'
  return new PeerError('ERR_PEER_REFUSED', `the peer ${what}: ${advice}`, { cause })
}
