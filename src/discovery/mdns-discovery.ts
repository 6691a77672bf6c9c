import { mdns as libp2pMdns, type MulticastDNSComponents } from '@libp2p/mdns'
import { abortable } from '../core/abortable.ts'
import { checkNumber } from '../core/options.ts'
import type { Libp2pNode } from '../net/libp2p-node.ts'
import { Deadline } from './deadline.ts'
import type { Discovery, DiscoveryContext, DiscoveryPlugin } from './discovery.ts'
import { knownPeer } from './known-peer.ts'
import { LinkKeeper, topiclessDiscovery } from './link-keeper.ts'
import { mdnsServiceTag } from './topic-key.ts'

/**
 * Options of {@link mdns}.
 * @public
 */
export interface MdnsOptions {
  /**
   * How often the local network is asked, in milliseconds. All of its nodes answer each question to all, so use longer
   * times, or another discovery, where there are hundreds.
   * @defaultValue `30_000`
   */
  intervalMs?: number | undefined
  /** UDP port. @defaultValue `5353` */
  port?: number | undefined
}

/** Each answer is good for this long, in milliseconds: the time to live of the records that libp2p sends. */
const heardForMs = 120_000
const actionTimeoutMs = 1000

/**
 * Discovery on the local network by multicast DNS: links to all nodes of the same network that answer, up to 64.
 * Finds nobody where multicast does not get through, as in most clouds.
 *
 * @throws {@link RequestError} `ERR_REQUEST_OPTION` when an option is out of range
 * @public
 */
export function mdns(options: MdnsOptions = {}): DiscoveryPlugin {
  const interval = checkNumber('mdns intervalMs', options.intervalMs ?? 30_000, 1)
  const port = checkNumber('mdns port', options.port ?? 5353, 1)
  return { name: 'mdns', create: (context) => openMdns(context, { interval, port }) }
}

async function openMdns(
  context: DiscoveryContext,
  settings: { interval: number; port: number },
): Promise<Discovery> {
  const { node, clock, logger } = context
  const keeper = new LinkKeeper(context, 'mdns')
  const service = libp2pMdns({
    ...settings,
    serviceTag: mdnsServiceTag(context.networkKey),
    peerName: node.peerId.toString(),
  })(componentsOf(node))
  service.addEventListener('peer', ({ detail: { id, multiaddrs } }) => {
    const peer = knownPeer(id.toString(), multiaddrs)
    if (peer) keeper.keep(peer, heardForMs)
  })
  if (isStartable(service)) await attempt('start', async () => service.start())
  return topiclessDiscovery({
    name: 'mdns',
    keeper,
    async close() {
      if (isStartable(service)) await attempt('stop', async () => service.stop())
    },
  })

  /** Where there is no multicast, there is nothing to find by it either. */
  async function attempt(what: string, action: () => Promise<void>): Promise<void> {
    using deadline = new Deadline(clock, actionTimeoutMs)
    try {
      await abortable(action(), deadline.signal)
    } catch (error) {
      logger.info(`mDNS did not ${what}`, { error })
    }
  }
}

/** What libp2p gives its services, from what a node shows: so it works on a node that the user brings, too. */
function componentsOf(node: Libp2pNode): MulticastDNSComponents {
  const addresses: Pick<MulticastDNSComponents['addressManager'], 'getAddresses'> = {
    getAddresses: () => node.getMultiaddrs(),
  }
  // Nothing else of the address manager is used.
  return { logger: node.logger, addressManager: addresses as MulticastDNSComponents['addressManager'] }
}

/** The type of its factory hides that the service is to be started. */
function isStartable(service: object): service is { start(): Promise<void>; stop(): Promise<void> } {
  return 'start' in service && 'stop' in service
}
