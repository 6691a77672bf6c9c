import { lookup, type LookupAddress, type LookupOptions } from 'node:dns'
import { isIP } from 'node:net'
import { buildConnector } from 'undici'
import { OriginError } from '../core/errors.ts'
import type { AddressScope } from './address-scope.ts'

/** A host that does not accept a connection within this time, TLS included, counts as down; in milliseconds. */
const connectTimeoutMs = 10_000

/** How a host proves itself. */
export interface TlsTrust {
  /** Certificates in PEM form, which are trusted instead of the system's. */
  readonly ca?: string | undefined
  /** Takes any certificate. */
  readonly insecure?: boolean | undefined
}

/** What a connector is to respect. */
export interface ConnectorInit {
  trustOf(host: string): TlsTrust | undefined
  /** Told the address of every connection. */
  connected(origin: string, address: string): void
  /** With it, addresses inside our machine and network are refused. */
  onlyPublic?: ((address: string) => AddressScope) | undefined
}

/**
 * Opens connections for undici. The guard looks at the address that is really connected to, not at a name that may
 * change.
 */
export function createConnector(init: ConnectorInit): buildConnector.connector {
  const { onlyPublic } = init
  const guard = onlyPublic && { lookup: publicLookup(onlyPublic) }
  const connectors = new Map<TlsTrust | undefined, buildConnector.connector>()
  const connectorFor = (trust: TlsTrust | undefined): buildConnector.connector => {
    const made =
      connectors.get(trust) ??
      buildConnector({
        allowH2: false,
        timeout: connectTimeoutMs,
        rejectUnauthorized: !trust?.insecure,
        ...(trust?.ca !== undefined && { ca: trust.ca }),
        ...guard,
      })
    connectors.set(trust, made)
    return made
  }
  return (options, callback) => {
    const host = options.host ?? options.hostname
    // An address is not looked up, so the guard on the look-up would not see it.
    if (onlyPublic && isIP(options.hostname) && onlyPublic(options.hostname) === 'private') {
      return callback(privateAddress(host), null)
    }
    connectorFor(init.trustOf(host))(
      options,
      (...[error, socket]: Parameters<buildConnector.Callback>) => {
        if (error) return callback(error, null)
        init.connected(`${options.protocol}//${host}`, socket.remoteAddress ?? '')
        return callback(null, socket)
      },
    )
  }
}

type LookupCallback = (
  error: NodeJS.ErrnoException | null,
  address: string | LookupAddress[],
  family?: number,
) => void

function publicLookup(scopeOf: (address: string) => AddressScope) {
  return (hostname: string, options: LookupOptions, callback: LookupCallback): void => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, [])
      const allowed = addresses.filter(({ address }) => scopeOf(address) === 'public')
      const [first] = allowed
      if (!first) return callback(privateAddress(hostname), [])
      if (options.all) callback(null, allowed)
      else callback(null, first.address, first.family)
    })
  }
}

function privateAddress(host: string): OriginError {
  return new OriginError(
    'ERR_ORIGIN_REDIRECT',
    `a public server sends us to ${host}, which is inside our own network: not followed`,
  )
}
