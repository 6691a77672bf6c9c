import { errors } from 'undici'
import { OriginError, SwarmError, TransferError, type OriginErrorCode } from '../core/errors.ts'
import { printUrl } from './redirect-policy.ts'

/** A request that got no answer, as an error of ours; what is no failure of the network stays what it is. */
export function requestError(cause: unknown, url: URL): unknown {
  return translate(cause, url, 'ERR_ORIGIN_UNAVAILABLE', 'cannot be reached')
}

/** A body that broke off, likewise. */
export function bodyError(cause: unknown, url: URL): unknown {
  return translate(cause, url, 'ERR_ORIGIN_TRUNCATED', 'broke off its answer')
}

/** Whether a host let us wait for a connection as long as we wait for one: it would do so again. */
export function isConnectTimeout({ cause }: OriginError): boolean {
  return cause instanceof errors.ConnectTimeoutError
}

function translate(cause: unknown, url: URL, code: OriginErrorCode, what: string): unknown {
  if (cause instanceof errors.ClientDestroyedError || cause instanceof errors.ClientClosedError) {
    return new TransferError(
      'ERR_SWARM_CLOSED',
      `the client was closed while it asked ${url.host}`,
      { cause },
    )
  }
  if (cause instanceof errors.HTTPParserError) {
    // Without the cause, for that carries along what the server sent.
    return new OriginError(code, `${printUrl(url)} ${what}: ${cause.message}`)
  }
  // Sockets, TLS, DNS and undici all put a code on their errors.
  if (
    cause instanceof Error &&
    !(cause instanceof SwarmError) &&
    'code' in cause &&
    typeof cause.code === 'string'
  ) {
    return new OriginError(code, `${printUrl(url)} ${what} (${cause.code})`, { cause })
  }
  return cause
}
