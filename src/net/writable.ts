import type { Clock } from '../core/clock.ts'
import { PeerError } from '../core/errors.ts'
import type { Libp2pStream } from './libp2p-types.ts'
import { unreachable } from './peer-errors.ts'

/** A peer that reads nothing for this long has stalled. */
const stallMs = 30_000

/**
 * Resolves when a stream has handed on what was sent on it, so that no more than that is held for a peer that reads
 * slowly. libp2p's own `onDrain()` waits only until the first drain of a stream, and never again.
 *
 * @throws {@link PeerError} `ERR_PEER_STALL` when nothing moved for 30 s, `ERR_PEER_UNREACHABLE` when the stream ended
 */
export function whenWritable(stream: Libp2pStream, clock: Clock): Promise<void> {
  if (stream.writeStatus === 'closed') return Promise.reject(ended())
  if (!stream.writableNeedsDrain) return Promise.resolve()
  return new Promise((resolve, reject) => {
    let waitingBytes = stream.writeBufferLength
    let cancelTimer = clock.after(stallMs, onTimer)
    stream.addEventListener('drain', onDrain)
    stream.addEventListener('close', onClose)

    function onDrain(): void {
      // The stream goes on sending in a microtask that it queued before this one, and may be full again after it.
      queueMicrotask(() => {
        if (!stream.writableNeedsDrain) settle(resolve)
      })
    }

    function onTimer(): void {
      if (stream.writeBufferLength < waitingBytes) {
        waitingBytes = stream.writeBufferLength
        cancelTimer = clock.after(stallMs, onTimer)
        return
      }
      settle(() =>
        reject(new PeerError('ERR_PEER_STALL', `the peer read nothing for ${stallMs / 1000} s`)),
      )
    }

    function onClose(): void {
      settle(() => reject(ended()))
    }

    function settle(how: () => void): void {
      cancelTimer()
      stream.removeEventListener('drain', onDrain)
      stream.removeEventListener('close', onClose)
      how()
    }
  })
}

function ended(): PeerError {
  return unreachable('the peer ended the stream')
}
