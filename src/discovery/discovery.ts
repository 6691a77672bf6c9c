import type { ServiceFactoryMap } from 'libp2p'
import type { Clock } from '../core/clock.ts'
import type { Digest } from '../core/digest.ts'
import type { Logger } from '../core/log.ts'
import type { AbortOptions } from '../core/options.ts'
import type { Random } from '../core/random.ts'
import type { Secret } from '../core/secret.ts'
import type { Libp2pNode } from '../net/libp2p-node.ts'

/**
 * A node that somebody says exists. Nothing of it is proven: whoever dials it finds out.
 * @public
 */
export interface KnownPeer {
  /** Its peer id as text; unknown where only an address was given. */
  readonly peerId?: string | undefined
  /** At most 8 multiaddrs as text, without the peer id at their end: `/ip4/192.0.2.7/tcp/4001`. */
  readonly addresses: readonly string[]
}

/**
 * A way to find the nodes that gather around a topic. Prove yours with `discoveryConformance`.
 *
 * Discovery only adds: what it finds are hints, what it fails at is logged, and nothing waits for it to end.
 * @public
 */
export interface Discovery {
  /** Lower-case, shown as `foundBy`: `'dht'`, `'mdns'`, `'dns'`, `'peers'` or a plugin's own. */
  readonly name: string
  /**
   * Tells the world that this node gathers around the topic, and goes on telling until the topic is withdrawn.
   * Resolves once that is under way; failures are retried and logged. Providing again is not an error.
   */
  provide(topic: Digest, options?: AbortOptions): Promise<void>
  /** Stops telling. What the world was told may live on for an hour. Withdrawing what was not provided is not an error. */
  withdraw(topic: Digest): Promise<void>
  /**
   * Yields the nodes that can be found now, never this one, and ends. Leaving the loop cancels the search.
   * @throws `signal.reason` when aborted; no other failure, finding nobody included, is an error
   */
  findPeers(topic: Digest, options?: AbortOptions): AsyncIterable<KnownPeer>
  /** Ends everything that runs and releases what is held. Afterwards nobody is found and providing does nothing. */
  close(): Promise<void>
}

/**
 * What a discovery works with.
 * @public
 */
export interface DiscoveryContext {
  readonly node: Libp2pNode
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** 32 bytes that the members of a closed network share. */
  readonly networkKey?: Secret<Uint8Array> | undefined
  /**
   * Asks the swarm to link to a peer that is worth having whatever the topic. Resolves to whether there is a link to
   * it now. Soft state: ask again as long as the peer is worth having.
   *
   * @param foundBy - name of the discovery that found it
   */
  connect(peer: KnownPeer, foundBy: string, options?: AbortOptions): Promise<boolean>
  /**
   * Tells the swarm of a node of our network, whatever it gathers around: it may be asked as a tracker, and is not worth a link by
   * itself. Costs little, and may be repeated; nobody is told when the node is gone.
   *
   * @param peer - ignored without a peer id, or without an address
   */
  met(peer: KnownPeer): void
}

/**
 * What users pass to `createSwarm`: makes a {@link Discovery} once the node is there.
 * @public
 */
export interface DiscoveryPlugin {
  /** The name of the discovery that it makes. */
  readonly name: string
  /** libp2p services by name, which the default node has to carry for it; a node that the user brings may do without. */
  readonly services?: ServiceFactoryMap | undefined
  /** @throws {@link RequestError} when an option is wrong; any other failure leaves this discovery out, and is logged */
  create(context: DiscoveryContext): Promise<Discovery> | Discovery
}
