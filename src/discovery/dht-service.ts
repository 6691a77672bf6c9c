import { kadDHT, passthroughMapper, type KadDHT, type KadDHTComponents } from '@libp2p/kad-dht'
import type { ServiceFactoryMap } from 'libp2p'
import { systemClock } from '../core/clock.ts'
import { PeerError } from '../core/errors.ts'
import { withFewAddresses } from './few-addresses.ts'
import { ProviderRecords, recordValidityMs, withProviderRecords } from './provider-records.ts'

/** Protocol id of our DHT: it is not the public IPFS one, which keeps out private addresses. */
export const dhtProtocol = '/damselfly/kad/1.0.0'
const datastorePrefix = '/damselfly/dht'

/** The parts of a node, as libp2p hands them to its services. */
type Components = Parameters<ServiceFactoryMap[string]>[0]

/** kad-dht as a libp2p service, set up for networks whose nodes come and go within minutes and have private addresses. */
export function dhtService(components: Components): KadDHT {
  const records = new ProviderRecords(systemClock)
  const ours: KadDHTComponents = {
    peerId: components.peerId,
    privateKey: components.privateKey,
    registrar: components.registrar,
    addressManager: components.addressManager,
    peerStore: withFewAddresses(components.peerStore),
    connectionManager: components.connectionManager,
    datastore: withProviderRecords(components.datastore, `${datastorePrefix}/provider`, records),
    events: components.events,
    logger: components.logger,
    // libp2p makes services one after the other, and ping may come after this one.
    get ping() {
      return components['ping']
    },
    ...(components.metrics && { metrics: components.metrics }),
  }
  return kadDHT({
    protocol: dhtProtocol,
    // Distinct, so that a node that is in the IPFS DHT too can carry both.
    datastorePrefix,
    logPrefix: 'libp2p:damselfly-dht',
    metricsPrefix: 'damselfly_dht',
    // Left to itself it stays a client for ever where no address is public. A node that does not listen cannot be asked.
    clientMode: components.addressManager.getListenAddrs().length === 0,
    peerInfoMapper: passthroughMapper,
    // Queries wait for the first self-query, which waits a second and then, without time-out, for a first peer.
    allowQueryWithZeroPeers: true,
    initialQuerySelfInterval: 0,
    // It only sweeps: DhtDiscovery provides again long before a record of ours is over.
    reprovide: { validity: recordValidityMs, threshold: 0 },
    validators: { pk: refuseValue },
  })(ours)
}

/** Unlike provider records, values that strangers put would be kept without bound. */
function refuseValue(): void {
  throw new PeerError('ERR_PEER_PROTOCOL', 'this DHT keeps provider records only')
}
