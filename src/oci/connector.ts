import { lookup, type LookupAddress, type LookupOptions } from 'node:dns'
import { isIP } from 'node:net'
import { buildConnector, errors } from 'undici'
import type { Clock } from '../core/clock.ts'
import { OriginError } from '../core/errors.ts'

/** A host that does not accept a connection within this time, name look-up and TLS included, counts as down; in milliseconds. */
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
  readonly clock: Clock
  trustOf(host: string): TlsTrust | undefined
  /** Whether to connect to an address; told of each that a name has, and of the one that a socket is connected to. */
  allows(address: string): boolean
  /** Told the address of every connection. */
  connected(origin: string, address: string): void
  /** @defaultValue the system's name service */
  readonly lookup?: Lookup | undefined
}

/** Finds all addresses of a name. */
export type Lookup = (
  hostname: string,
  options: LookupOptions & { all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

/**
 * Opens connections for undici. The guard looks at the address that is really connected to, not at a name that may
 * change.
 */
export function createConnector(init: ConnectorInit): buildConnector.connector {
  const { clock, allows } = init
  const connectors = new Map<TlsTrust | undefined, buildConnector.connector>()
  const connectorFor = (trust: TlsTrust | undefined): buildConnector.connector => {
    const made =
      connectors.get(trust) ??
      buildConnector({
        allowH2: false,
        // What closes the socket; that nobody waits longer is our own clock's business.
        timeout: connectTimeoutMs,
        rejectUnauthorized: !trust?.insecure,
        ...(trust?.ca !== undefined && { ca: trust.ca }),
        lookup: guardedLookup(init.lookup ?? lookup, allows),
      })
    connectors.set(trust, made)
    return made
  }
  return (options, callback) => {
    const host = options.host ?? options.hostname
    // An address is not looked up, so the guard on the look-up would not see it.
    if (isIP(options.hostname) && !allows(options.hostname)) {
      return callback(forbiddenAddress(host), null)
    }
    let settled = false
    const cancelTimer = clock.after(connectTimeoutMs, () => {
      settled = true
      callback(new errors.ConnectTimeoutError(`no connection within ${connectTimeoutMs / 1000} s`), null)
    })
    connectorFor(init.trustOf(host))(
      options,
      (...[error, socket]: Parameters<buildConnector.Callback>) => {
        cancelTimer()
        const address = socket?.remoteAddress ?? ''
        const forbidden = socket && !allows(address)
        if (settled || forbidden) socket?.destroy()
        if (settled) return
        settled = true
        if (error) return callback(error, null)
        if (forbidden) return callback(forbiddenAddress(host), null)
        init.connected(`${options.protocol}//${host}`, address)
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

function guardedLookup(lookup: Lookup, allows: (address: string) => boolean) {
  return (hostname: string, options: LookupOptions, callback: LookupCallback): void => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, [])
      const allowed = addresses.filter(({ address }) => allows(address))
      const [first] = allowed
      if (!first) return callback(forbiddenAddress(hostname), [])
      if (options.all) callback(null, allowed)
      else callback(null, first.address, first.family)
    })
  }
}

function forbiddenAddress(host: string): OriginError {
  return new OriginError(
    'ERR_ORIGIN_REDIRECT',
    `a server sends us to ${host}, which is further inside our own network than the server itself: not followed`,
  )
}
