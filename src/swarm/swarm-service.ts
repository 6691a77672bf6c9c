import { TransferError } from '../core/errors.ts'
import { nodeOfComponents, type ServiceComponents } from '../net/service-node.ts'
import { createSwarm } from './create-swarm.ts'
import type { SwarmOptions } from './swarm-init.ts'
import type { Swarm } from './swarm.ts'

/**
 * A swarm that starts and stops with the libp2p node that it is a service of.
 * @public
 */
export interface SwarmService {
  /**
   * The swarm.
   * @throws {@link TransferError} `ERR_SWARM_CLOSED` while the node is not started
   */
  readonly swarm: Swarm
}

/**
 * Mounts a swarm on a libp2p node as one of its services. The node needs the identify service, and for `dht()` a
 * content routing such as kad-dht.
 *
 * @param options - as for `createSwarm`; addresses, identity and encryption are the node's own
 * @example
 * ```ts
 * import { identify } from '@libp2p/identify'
 * import { createLibp2p } from 'libp2p'
 * import { mdns, swarmService } from 'damselfly'
 *
 * const node = await createLibp2p({
 *   services: { identify: identify(), images: swarmService({ discovery: [mdns()] }) },
 * })
 * await node.services.images.swarm.fetchImage('docker.io/library/alpine:3.20')
 * ```
 * @public
 */
export function swarmService(
  options: Omit<SwarmOptions, 'libp2p' | 'listen' | 'identityFile' | 'network'> = {},
): (components: ServiceComponents) => SwarmService {
  return (components) => new MountedSwarm(components, options)
}

class MountedSwarm implements SwarmService {
  readonly #components: ServiceComponents
  readonly #options: SwarmOptions
  #swarm: Swarm | undefined

  constructor(components: ServiceComponents, options: SwarmOptions) {
    this.#components = components
    this.#options = options
  }

  get swarm(): Swarm {
    if (this.#swarm) return this.#swarm
    throw new TransferError('ERR_SWARM_CLOSED', 'the libp2p node is not started: start it first')
  }

  /** libp2p calls it when the node has started: the node can be dialled, and can dial. */
  async afterStart(): Promise<void> {
    this.#swarm = await createSwarm({ ...this.#options, libp2p: nodeOfComponents(this.#components) })
  }

  async beforeStop(): Promise<void> {
    await this.#swarm?.close()
    this.#swarm = undefined
  }

  start(): void {}

  stop(): void {}
}
