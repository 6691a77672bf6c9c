/**
 * A fault laboratory: production nodes in one process, on a virtual network, in virtual time.
 *
 * Every node is what `createSwarm` makes, with its own store in memory; what it says to others goes as bytes through the production
 * channels and codec, over streams of libp2p's own class. Only three things are not real: sockets (`virtual-network.ts`), time
 * (`lab-time.ts`), and the registry (`lab-origin.ts`). All chance comes from the seed of the lab, so a run repeats itself to the byte;
 * `lab.time.trace` says whether it did.
 *
 *     const lab = new Lab(1)
 *     const content = sharedContent(1, 1_300_000)
 *     const node = await lab.addNode()
 *     const blob = await lab.time.until(node.swarm.fetchLayer({ digest, size, origin: lab.origin.of(content, node) }))
 *
 * Nothing happens while a test awaits something by itself: time passes in `lab.time.until(promise)` and `lab.time.run(untilMs)` alone.
 *
 * What is what: `virtual-node.ts` is the libp2p of one process, `virtual-connection.ts`, `virtual-stream.ts` and `wire.ts` what it has
 * to others; `network-conditions.ts` is how bad the ways are. `node-loop.ts` is the event loop and the clocks of a process, which can be
 * blocked, set wrong and killed. `lab-disk.ts` outlives it. `lab-discovery.ts` tells nodes of each other.
 */
import { seededRandom, type Random } from '../../src/core/random.ts'
import { identityOf, type Identity } from './identities.ts'
import { Directory } from './lab-discovery.ts'
import { LabNode, type LabNodeOptions } from './lab-node.ts'
import { LabOrigin } from './lab-origin.ts'
import { LabTime } from './lab-time.ts'
import { VirtualNetwork } from './virtual-network.ts'

/** How a {@link Lab} differs from others. */
export interface LabOptions {
  readonly latencyMs?: ((from: string, to: string) => number) | undefined
  readonly originBytesPerSecond?: number | undefined
  /** First half of all addresses. @defaultValue `10.0` */
  readonly prefix?: string | undefined
}

/** Where a node can be, and who it is then. */
export interface Host {
  readonly name: string
  readonly address: string
  readonly identity: Identity
}

/** How many identities there are to draw from: making one costs more than a small run. */
const identities = 256

export class Lab {
  readonly random: Random
  readonly time = new LabTime()
  readonly network: VirtualNetwork
  readonly directory = new Directory()
  readonly origin: LabOrigin
  readonly canary: string
  readonly nodes: LabNode[] = []
  readonly #freeIdentities = Array.from({ length: identities }, (_, number) => number)
  readonly #prefix: string
  #hosts = 0

  constructor(seed: number, { latencyMs, originBytesPerSecond = 12_500_000, prefix = '10.0' }: LabOptions = {}) {
    this.#prefix = prefix
    this.random = seededRandom(seed)
    this.canary = `canary-${seed}-${this.random.below(2 ** 30)}`
    this.network = new VirtualNetwork(this.time, this.random, latencyMs ?? (() => 1 + this.random.below(10)))
    this.origin = new LabOrigin(this.time, this.canary, originBytesPerSecond)
  }

  /**
   * An address and an identity that no other host of this lab has.
   * @param prefix - first half of the address
   */
  async newHost(prefix: string = this.#prefix): Promise<Host> {
    const number = ++this.#hosts
    const [identity = 0] = this.#freeIdentities.splice(this.random.below(this.#freeIdentities.length), 1)
    return { name: `h${number}`, address: `/ip4/${prefix}.${number >> 8}.${number & 255}/tcp/4001`, identity: await identityOf(identity) }
  }

  /** A node that runs, on a new host unless one is named. */
  async addNode({ host, ...options }: LabNodeOptions & { readonly host?: Host } = {}): Promise<LabNode> {
    const { time, network, directory, canary } = this
    const random = seededRandom(this.random.below(2 ** 32))
    const node = new LabNode({ ...options, ...(host ?? (await this.newHost())), time, network, directory, random, canary })
    this.nodes.push(node)
    await time.until(node.start())
    return node
  }
}
