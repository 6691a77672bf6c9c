import type { Logger } from '../../src/core/log.ts'
import type { Random } from '../../src/core/random.ts'
import { ManifestResolver } from '../../src/oci/manifest-resolver.ts'
import { PieceStore } from '../../src/store/piece-store.ts'
import { createSwarm } from '../../src/swarm/create-swarm.ts'
import type { SwarmOptions } from '../../src/swarm/swarm-init.ts'
import type { Swarm } from '../../src/swarm/swarm.ts'
import { holdsText } from './holds-text.ts'
import type { Identity } from './identities.ts'
import type { Directory } from './lab-discovery.ts'
import { LabDisk, type Mount } from './lab-disk.ts'
import type { LabTime } from './lab-time.ts'
import { NodeLoop } from './node-loop.ts'
import type { VirtualNetwork } from './virtual-network.ts'
import type { Tamper } from './virtual-connection.ts'
import { VirtualNode } from './virtual-node.ts'
import { Card } from './wire.ts'

/** What a node of a lab is, besides what all have. */
export interface LabNodeOptions {
  readonly uplinkBytesPerSecond?: number | undefined
  readonly downlinkBytesPerSecond?: number | undefined
  /** What `createSwarm` takes on top. */
  readonly swarm?: SwarmOptions | undefined
}

/** What a {@link LabNode} is made of. */
export interface LabNodeInit extends LabNodeOptions {
  readonly time: LabTime
  readonly network: VirtualNetwork
  readonly directory: Directory
  readonly random: Random
  readonly identity: Identity
  readonly name: string
  readonly address: string
  /** Must be in nothing that a node says. */
  readonly canary: string
}

/** Something that a node's events told. */
export interface Told {
  readonly name: string
  readonly peerId?: string
  readonly digest?: string
  readonly reason?: string
}

/** What is left of a node that was closed, and whose blobs were deleted. */
export interface Remains {
  readonly timers: number
  readonly streams: number
  readonly protocols: number
  readonly usedBytes: number
}

export const nothing: Remains = { timers: 0, streams: 0, protocols: 0, usedBytes: 0 }

interface Running {
  readonly node: VirtualNode
  readonly loop: NodeLoop
  readonly swarm: Swarm
  readonly store: PieceStore
  readonly resolver: ManifestResolver
  readonly mount: Mount
}

/** A host with a production node on it, which can be killed and started again. */
export class LabNode {
  readonly name: string
  readonly peerId: string
  readonly told: Told[] = []
  /** Log lines in which the canary was found. */
  readonly leaks: string[] = []
  /** Blobs that it has said are stored. */
  readonly committed = new Set<string>()
  readonly disk = new LabDisk()
  #tamper: Tamper | undefined
  readonly #init: LabNodeInit
  readonly #uplink: Card
  readonly #downlink: Card
  #running: Running | undefined
  #starts = 0

  constructor(init: LabNodeInit) {
    this.#init = init
    this.name = init.name
    this.peerId = init.identity.peerId.toString()
    this.#uplink = new Card(init.uplinkBytesPerSecond ?? 12_500_000)
    this.#downlink = new Card(init.downlinkBytesPerSecond ?? 12_500_000)
  }

  get running(): boolean {
    return this.#running !== undefined
  }

  /** How often it was started. */
  get starts(): number {
    return this.#starts
  }

  get swarm(): Swarm {
    return this.#now.swarm
  }

  get store(): PieceStore {
    return this.#now.store
  }

  get loop(): NodeLoop {
    return this.#now.loop
  }

  get libp2p(): VirtualNode {
    return this.#now.node
  }

  /** Whether what it sends is what it means. */
  get honest(): boolean {
    return this.#tamper === undefined
  }

  /** From now on it sends something else than it means to, also when it was started again. */
  sendOtherwise(tamper: Tamper): void {
    this.#tamper = tamper
    if (this.#running) this.#running.node.tamper = tamper
  }

  /** Starts a process on what its disk holds. */
  async start(): Promise<void> {
    const { time, network, directory, random, identity, name, address } = this.#init
    this.#starts++
    const loop = new NodeLoop(time, { monotonicMs: 1000 * random.below(1_000_000), wallMs: 1_750_000_000_000 + random.below(1_000_000_000) })
    const node = new VirtualNode({ network, name, address, identity, loop, uplink: this.#uplink, downlink: this.#downlink })
    node.tamper = this.#tamper
    network.listen(node)
    const mount = this.disk.mount()
    const logger = this.#logger()
    const store = await PieceStore.open(mount.backend, { scratch: mount.scratch, clock: loop, logger })
    const resolver = new ManifestResolver({ credentials: 'anonymous' })
    const swarm = await createSwarm({
      libp2p: node.asLibp2p,
      store,
      resolver,
      clock: loop,
      random,
      logger,
      discovery: [directory.plugin({ peerId: this.peerId, addresses: [address] })],
      ...this.#init.swarm,
    })
    this.#listenTo(swarm)
    this.#running = { node, loop, swarm, store, resolver, mount }
  }

  /** The process ends without a word; its host closes its connections. */
  kill(): void {
    const { node, mount } = this.#now
    this.#init.network.kill(node)
    this.#init.directory.leave(this.peerId)
    mount.lose()
    this.#running = undefined
  }

  /** The node is closed as it should be; gives what is left of it. */
  async stop(): Promise<Remains> {
    const { node, loop, swarm, store, resolver } = this.#now
    await swarm.close()
    await resolver.close()
    for await (const digest of this.disk.backend.list()) await store.delete(digest)
    // What somebody still holds is not deleted.
    const { usedBytes } = store.usage()
    await store.close()
    return { timers: loop.timerCount, streams: node.streamCount, protocols: node.protocols.length, usedBytes }
  }

  get #now(): Running {
    if (!this.#running) throw new TypeError(`${this.name} does not run`)
    return this.#running
  }

  #listenTo(swarm: Swarm): void {
    const { time } = this.#init
    const names = ['peer:linked', 'peer:unlinked', 'peer:banned', 'piece:stored', 'blob:stored', 'sharing:withheld']
    for (const name of names) {
      ;(swarm as EventTarget).addEventListener(name, (event) => {
        const detail = (event as CustomEvent<Omit<Told, 'name'> & { piece?: number; from?: string }>).detail
        time.note(this.name, name, detail.digest ?? '', detail.piece ?? 0, detail.from ?? '')
        this.told.push({ name, ...detail })
        if (name === 'blob:stored' && detail.digest) this.committed.add(detail.digest)
      })
    }
  }

  #logger(): Logger {
    const { canary } = this.#init
    const say = (message: string, facts?: object): void => {
      if (holdsText([message, facts], canary)) this.leaks.push(message)
    }
    return { debug: say, info: say, warn: say }
  }
}
