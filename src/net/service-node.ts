import type { Libp2p } from 'libp2p'
import type { Libp2pNode } from './libp2p-node.ts'
import type { NodeKey } from './libp2p-types.ts'

/**
 * The parts that libp2p gives its services, as far as a swarm uses them.
 * @public
 */
export type ServiceComponents = Pick<
  Libp2p,
  'contentRouting' | 'logger' | 'peerId' | 'peerRouting' | 'peerStore'
> & {
  readonly privateKey: NodeKey
  readonly events: Pick<Libp2p, 'addEventListener' | 'removeEventListener'>
  readonly addressManager: { getAddresses: Libp2p['getMultiaddrs'] }
  readonly connectionManager: {
    getConnections: Libp2p['getConnections']
    openConnection: Libp2p['dial']
  }
  readonly registrar: Pick<Libp2p, 'handle' | 'unhandle'>
}

/** A node from the parts that its services are given: a service never sees the node itself. */
export function nodeOfComponents(components: ServiceComponents): Libp2pNode {
  const { connectionManager, events, registrar } = components
  return {
    peerId: components.peerId,
    components: { privateKey: components.privateKey },
    logger: components.logger,
    peerStore: components.peerStore,
    contentRouting: components.contentRouting,
    peerRouting: components.peerRouting,
    addEventListener: events.addEventListener.bind(events),
    removeEventListener: events.removeEventListener.bind(events),
    dial: connectionManager.openConnection.bind(connectionManager),
    getConnections: connectionManager.getConnections.bind(connectionManager),
    getMultiaddrs: () => withPeerId(components),
    handle: registrar.handle.bind(registrar),
    unhandle: registrar.unhandle.bind(registrar),
  }
}

/** The address manager leaves the peer id off where nobody needs it; whoever is told the address does. */
function withPeerId({ addressManager, peerId }: ServiceComponents): ReturnType<Libp2p['getMultiaddrs']> {
  const suffix = `/p2p/${peerId.toString()}`
  return addressManager
    .getAddresses()
    .map((address) => (address.toString().endsWith(suffix) ? address : address.encapsulate(suffix)))
}
