import { multiaddr } from '@multiformats/multiaddr'
import { TypedEventEmitter } from 'main-event'
import type { Libp2pNode } from '../../src/net/libp2p-node.ts'
import type { Libp2pConnection, Libp2pMultiaddr, Libp2pStream } from '../../src/net/libp2p-types.ts'
import type { Identity } from './identities.ts'
import type { NodeLoop } from './node-loop.ts'
import { named, type StreamHandlers, type Tamper, type VirtualConnection } from './virtual-connection.ts'
import type { VirtualNetwork } from './virtual-network.ts'
import type { Card } from './wire.ts'

type StreamHandler = (stream: Libp2pStream, connection: Libp2pConnection) => void

/** What one {@link VirtualNode} is made of. */
export interface VirtualNodeInit {
  readonly network: VirtualNetwork
  /** Short name of its host, by which faults find it. */
  readonly name: string
  /** Where it listens, without its peer id. */
  readonly address: string
  readonly identity: Identity
  readonly loop: NodeLoop
  readonly uplink: Card
  readonly downlink: Card
}

/** A libp2p node of a process on a {@link VirtualNetwork}: as much of one as a swarm uses, in memory. */
export class VirtualNode extends TypedEventEmitter<object> implements StreamHandlers {
  readonly name: string
  readonly address: string
  readonly loop: NodeLoop
  readonly uplink: Card
  readonly downlink: Card
  readonly peerId: Identity['peerId']
  readonly components: { readonly privateKey: Identity['privateKey'] }
  readonly connections = new Set<VirtualConnection>()
  readonly logger = { forComponent: () => silentLog }
  readonly peerStore: object
  readonly contentRouting = {}
  readonly peerRouting = {}
  tamper: Tamper | undefined
  readonly #network: VirtualNetwork
  readonly #protocols = new Map<string, ReturnType<StreamHandlers['handlerOf']>>()
  /** By peer: where it says that it listens; identify tells it on each connection. */
  readonly #identified = new Map<string, Libp2pMultiaddr[]>()
  readonly #dials = new Map<string, Promise<VirtualConnection>>()

  constructor({ network, name, address, identity, loop, uplink, downlink }: VirtualNodeInit) {
    super()
    this.#network = network
    this.name = name
    this.address = address
    this.loop = loop
    this.uplink = uplink
    this.downlink = downlink
    this.peerId = identity.peerId
    this.components = { privateKey: identity.privateKey }
    this.peerStore = {
      get: async (peerId: { toString(): string }) => {
        const addresses = this.#identified.get(peerId.toString())
        if (!addresses) throw named('NotFoundError', 'the peer is not known')
        return { id: peerId, addresses: addresses.map((known) => ({ multiaddr: known, isCertified: true })) }
      },
    }
  }

  /** As `createSwarm` takes it. */
  get asLibp2p(): Libp2pNode {
    return this as unknown as Libp2pNode
  }

  /** Streams that are open, on all connections. */
  get streamCount(): number {
    let count = 0
    for (const { streams } of this.connections) count += streams.length
    return count
  }

  /** Protocols that it answers. */
  get protocols(): string[] {
    return [...this.#protocols.keys()]
  }

  getMultiaddrs(): Libp2pMultiaddr[] {
    return [multiaddr(`${this.address}/p2p/${this.peerId.toString()}`)]
  }

  getConnections(): Libp2pConnection[] {
    return [...this.connections].map((connection) => connection.asConnection)
  }

  async handle(protocol: string | string[], handler: StreamHandler, limits: { maxInboundStreams?: number; maxOutboundStreams?: number } = {}): Promise<void> {
    for (const each of [protocol].flat()) {
      const { maxInboundStreams: maxInbound = 32, maxOutboundStreams: maxOutbound = 64 } = limits
      this.#protocols.set(each, { accept: handler, maxInbound, maxOutbound })
    }
  }

  async unhandle(protocol: string | string[]): Promise<void> {
    for (const each of [protocol].flat()) this.#protocols.delete(each)
  }

  handlerOf(protocol: string): ReturnType<StreamHandlers['handlerOf']> {
    return this.#protocols.get(protocol)
  }

  /** libp2p dials a peer once, however many ask for it, and gives an open connection where there is one. */
  async dial(targets: Libp2pMultiaddr | Libp2pMultiaddr[], { signal }: { signal?: AbortSignal } = {}): Promise<Libp2pConnection> {
    signal?.throwIfAborted()
    const texts = [targets].flat().map(String)
    const peerId = /\/p2p\/([^/]+)$/.exec(texts[0] ?? '')?.[1]
    const known = [...this.connections].find(({ remotePeer }) => remotePeer.toString() === peerId)
    if (known) return known.asConnection
    const key = peerId ?? texts.join(' ')
    let dial = this.#dials.get(key)
    if (!dial) {
      const addresses = texts.map((text) => text.replace(/\/p2p\/[^/]+$/, '')).filter((text) => text !== '')
      if (addresses.length === 0) addresses.push(...(this.#identified.get(key) ?? []).map((known) => String(known)))
      dial = this.#network.connect(this, addresses, peerId)
      this.#dials.set(key, dial)
      const ended = (): void => void this.#dials.delete(key)
      dial.then(ended, ended)
    }
    const connection = await orAborted(dial, signal)
    return connection.asConnection
  }

  /** Where a peer listens, as it says itself. */
  identified(peerId: string, addresses: Libp2pMultiaddr[]): void {
    this.#identified.set(peerId, addresses)
  }
}

function orAborted<Value>(promise: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(named('AbortError', 'the dial was given up'))
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

const says = (): void => {}

/** libp2p's own log, which is of no interest. */
const silentLog = Object.assign(says, { error: says, trace: says, enabled: false, newScope: () => silentLog }) as unknown as Libp2pConnection['log']
