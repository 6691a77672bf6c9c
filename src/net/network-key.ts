import { createSecretKey } from 'node:crypto'
import { systemClock, type Clock } from '../core/clock.ts'
import { RequestError } from '../core/errors.ts'
import type {
  EncrypterFactory,
  Libp2pMessageStream,
  SecuredConnection,
  SecureOptions,
} from './libp2p-types.ts'
import { proveNetworkKey, type NetworkKeyRole } from './network-key-proof.ts'

/** Under this name connections of a closed network are secured; docs/spec/network-key.md. */
export const networkKeyProtocol = '/damselfly/network-key/1.0.0'
const keyBytes = 32
const keyPattern = /^[0-9a-f]{64}\r?\n?$/i

/**
 * Reads the key of a closed network: 32 bytes, or the text of a key file.
 *
 * @param key - 32 bytes, or 64 hex digits that a newline may follow
 * @returns a copy of the 32 bytes
 * @throws {@link RequestError} `ERR_REQUEST_OPTION`; the message does not show the key
 * @public
 */
export function parseNetworkKey(key: string | Uint8Array): Uint8Array {
  if (typeof key === 'string') {
    if (keyPattern.test(key)) return Buffer.from(key.slice(0, 2 * keyBytes), 'hex')
  } else if (key.byteLength === keyBytes) {
    return Uint8Array.from(key)
  }
  throw new RequestError(
    'ERR_REQUEST_OPTION',
    'network.key must be 32 random bytes, or 64 hex digits as "openssl rand -hex 32" prints them',
  )
}

/**
 * Wraps a connection encrypter so that both ends must also prove the network's key. The wrapped one runs first and
 * unchanged; it tells each end who the other is.
 *
 * @param key - 32 bytes, from {@link parseNetworkKey}
 * @param inner - `noise()`
 * @public
 */
export function networkKeyEncrypter(
  key: Uint8Array,
  inner: EncrypterFactory,
  clock: Clock = systemClock,
): EncrypterFactory {
  const secret = createSecretKey(key)
  return (components) => {
    const encrypter = inner(components)
    const prove = async (
      role: NetworkKeyRole,
      secured: SecuredConnection,
      signal: AbortSignal | undefined,
    ): Promise<SecuredConnection> => {
      const ids = {
        ours: components.peerId.toMultihash().bytes,
        theirs: secured.remotePeer.toMultihash().bytes,
      }
      await proveNetworkKey(secured.connection, { secret, role, ids, clock, signal })
      return secured
    }
    return {
      protocol: networkKeyProtocol,
      secureOutbound: async (stream: Libp2pMessageStream, options?: SecureOptions) =>
        prove('initiator', await encrypter.secureOutbound(stream, options), options?.signal),
      secureInbound: async (stream: Libp2pMessageStream, options?: SecureOptions) =>
        prove('responder', await encrypter.secureInbound(stream, options), options?.signal),
    }
  }
}
