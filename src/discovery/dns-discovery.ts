import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { abortable } from '../core/abortable.ts'
import { RequestError } from '../core/errors.ts'
import { quoted } from '../core/quoted.ts'
import { checkNumber, type AbortOptions } from '../core/options.ts'
import { Deadline } from './deadline.ts'
import type { DiscoveryPlugin, KnownPeer } from './discovery.ts'
import { parsePeerAddress } from './known-peer.ts'
import { LinkKeeper, topiclessDiscovery } from './link-keeper.ts'
import { Repeater } from './repeater.ts'

/**
 * Options of {@link dns}.
 * @public
 */
export interface DnsOptions {
  /** Looks up the IP addresses of a host. @defaultValue the system's resolver, with its search domains and hosts file */
  resolve?: ((host: string, options: AbortOptions) => Promise<readonly string[]>) | undefined
  /** How often the name is resolved, in milliseconds. @defaultValue `30_000` */
  intervalMs?: number | undefined
}

/**
 * Discovery by a DNS name with an address for each node, as a headless Kubernetes service has: links to all of them, or
 * to 64 of more.
 *
 * @param service - `host:port`; the port is the one on which all of the nodes listen
 * @throws {@link RequestError} `ERR_REQUEST_OPTION` when it is not `host:port` or an option is out of range
 * @public
 */
export function dns(service: string, options: DnsOptions = {}): DiscoveryPlugin {
  const { host, port } = parseService(service)
  const resolve = options.resolve ?? resolveBySystem
  const intervalMs = checkNumber('dns intervalMs', options.intervalMs ?? 30_000, 1)
  return {
    name: 'dns',
    create(context) {
      const keeper = new LinkKeeper(context, 'dns')
      const resolved = Promise.withResolvers<void>()
      const attempt = async (signal: AbortSignal): Promise<boolean> => {
        using deadline = new Deadline(context.clock, resolveTimeoutMs, signal)
        try {
          const found = await abortable(resolve(host, { signal: deadline.signal }), deadline.signal)
          keeper.keepOnly(found.flatMap((address) => peerAt(address, port) ?? []))
          return true
        } finally {
          resolved.resolve()
        }
      }
      const repeater = new Repeater(context, {
        name: `resolving ${host}`,
        periodMs: intervalMs,
        maxRetryMs: intervalMs,
        attempt,
      })
      return topiclessDiscovery({ name: 'dns', keeper, ready: resolved.promise, close: () => repeater.close() })
    },
  }
}

const resolveTimeoutMs = 5000

/** getaddrinfo, not a DNS client: cluster names need the search domains of resolv.conf, and compose files the hosts file. */
async function resolveBySystem(host: string): Promise<string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address)
}

function parseService(service: string): { host: string; port: number } {
  const [, host, digits] = /^([a-z0-9](?:[a-z0-9._-]*[a-z0-9])?\.?):(\d{1,5})$/i.exec(service) ?? []
  const port = Number(digits)
  if (host !== undefined && port >= 1 && port <= 65_535) return { host, port }
  throw new RequestError(
    'ERR_REQUEST_OPTION',
    `${quoted(service)} is not a DNS name and port: write damselfly.example.svc:4001`,
  )
}

/** `undefined` for what is no IP address. A zone, as in `fe80::1%eth0`, is cut off: multiaddrs have no place for it there. */
function peerAt(address: string, port: number): KnownPeer | undefined {
  const [ip = ''] = address.split('%')
  const version = isIP(ip)
  return version === 0 ? undefined : parsePeerAddress(`/ip${version}/${ip}/tcp/${port}`)
}
