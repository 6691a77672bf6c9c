import { missingPrograms, run, runNow } from './commands.ts'

/** A host of a {@link Lab}. */
export interface LabHost {
  readonly name: string
  /** To run commands in. */
  readonly namespace: string
  /** Its address in each of the networks that it was put into, in that order. */
  readonly addresses: readonly string[]
  /** The same, of network devices. */
  readonly devices: readonly string[]
}

/** A network of a {@link Lab}: a bridge with hosts around it. */
export interface LabNetwork {
  readonly namespace: string
  readonly number: number
  hostCount: number
}

/** Bytes that a device sent and received, as the kernel counts them. */
export interface DeviceBytes {
  readonly sentBytes: number
  readonly receivedBytes: number
  readonly sentPackets: number
  readonly receivedPackets: number
}

/** What a link may do: as `tc` writes it, `50mbit`. */
export interface LinkRate {
  readonly rateBitsPerSecond: number
}

/** Why this machine cannot have network namespaces, or `undefined` where it can. Needs root. */
export async function whyNoLab(): Promise<string | undefined> {
  const missing = missingPrograms(['ip', 'tc'])
  if (missing.length > 0) return `${missing.join(' and ')} not installed`
  const probe = `dfb${process.pid}-probe`
  try {
    await run({ program: 'ip', args: ['netns', 'add', probe] })
  } catch (error) {
    return `network namespaces cannot be made (${lastLine(error)}): run it as root`
  }
  try {
    await run({ program: 'ip', args: ['-n', probe, 'link', 'add', 'br0', 'type', 'bridge'] })
    await run({ program: 'tc', args: ['-n', probe, 'qdisc', 'add', 'dev', 'br0', ...shaping({ rateBitsPerSecond: 1e6 })] })
    return undefined
  } catch (error) {
    return `this kernel lacks bridges or token buckets (${lastLine(error)})`
  } finally {
    await run({ program: 'ip', args: ['netns', 'del', probe] })
  }
}

/**
 * Hosts in network namespaces around bridges, with links that are limited both ways. Nothing leads out of it: what runs in it
 * reaches the other hosts of its network and nobody else.
 */
export class Lab implements AsyncDisposable {
  /** Distinct from those of all other runs, so that nobody's namespaces are taken for ours. */
  readonly #prefix = `dfb${process.pid}-`
  readonly #namespaces = new Set<string>()
  #networkCount = 0

  constructor() {
    // Also for those that are made while others are deleted already.
    process.on('exit', () => this.#deleteNow())
  }

  /** A bridge, in a namespace of its own. */
  async addNetwork(): Promise<LabNetwork> {
    const number = this.#networkCount++
    const namespace = await this.#addNamespace(`hub${number}`)
    await ip(['-n', namespace, 'link', 'add', 'br0', 'type', 'bridge'])
    // Who is about to hear from a group need not be asked for: few hosts, one switch.
    await ip(['-n', namespace, 'link', 'set', 'br0', 'type', 'bridge', 'mcast_snooping', '0'])
    await ip(['-n', namespace, 'link', 'set', 'br0', 'up'])
    return { namespace, number, hostCount: 0 }
  }

  /**
   * A host with a leg in each of the networks.
   * @param rate - of each leg, in each direction; without one the link is as fast as the machine
   */
  async addHost(name: string, networks: readonly LabNetwork[], rate?: LinkRate): Promise<LabHost> {
    const namespace = await this.#addNamespace(name)
    const host: LabHost = { name, namespace, addresses: [], devices: [] }
    await ip(['-n', namespace, 'link', 'set', 'lo', 'up'])
    const legs = []
    for (const network of networks) legs.push(await addLeg(namespace, network, legs.length, rate))
    return { ...host, addresses: legs.map(({ address }) => address), devices: legs.map(({ device }) => device) }
  }

  /** What the device of a host's leg has carried so far. */
  async traffic({ namespace, devices }: LabHost, leg = 0): Promise<DeviceBytes> {
    const text = await run({ program: 'ip', args: ['-n', namespace, '-s', '-j', 'link', 'show', 'dev', devices[leg] ?? ''] })
    const [link]: { stats64: Record<'rx' | 'tx', { bytes: number; packets: number }> }[] = JSON.parse(text)
    return {
      sentBytes: link?.stats64.tx.bytes ?? 0,
      receivedBytes: link?.stats64.rx.bytes ?? 0,
      sentPackets: link?.stats64.tx.packets ?? 0,
      receivedPackets: link?.stats64.rx.packets ?? 0,
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#deleteNow()
  }

  async #addNamespace(name: string): Promise<string> {
    const namespace = this.#prefix + name
    this.#namespaces.add(namespace)
    await ip(['netns', 'add', namespace])
    return namespace
  }

  #deleteNow(): void {
    for (const namespace of this.#namespaces) {
      try {
        runNow({ program: 'ip', args: ['netns', 'del', namespace] })
      } catch {
        // One that could not be made cannot be deleted.
      }
    }
    this.#namespaces.clear()
  }
}

/** 10.77.0.1 and on in the first network, 10.78.0.1 and on in the second: private addresses, as in a data centre. */
export function labAddress(networkNumber: number, hostNumber: number): string {
  return `10.${77 + networkNumber}.${Math.floor(hostNumber / 250)}.${(hostNumber % 250) + 1}`
}

async function addLeg(
  namespace: string,
  network: LabNetwork,
  leg: number,
  rate: LinkRate | undefined,
): Promise<{ address: string; device: string }> {
  const hostNumber = network.hostCount++
  const [device, port] = [`e${leg}`, `p${hostNumber}`]
  const address = labAddress(network.number, hostNumber)
  await ip(['link', 'add', 'name', device, 'netns', namespace, 'type', 'veth', 'peer', 'name', port, 'netns', network.namespace])
  await ip(['-n', network.namespace, 'link', 'set', port, 'master', 'br0', 'up'])
  await ip(['-n', namespace, 'addr', 'add', `${address}/16`, 'dev', device])
  await ip(['-n', namespace, 'link', 'set', device, 'up'])
  // Hosts have a default route in real life, and multicast goes there.
  if (leg === 0) await ip(['-n', namespace, 'route', 'add', '224.0.0.0/4', 'dev', device])
  if (rate) {
    // What leaves the host is its upload; what leaves the bridge's port towards it is its download.
    await run({ program: 'tc', args: ['-n', namespace, 'qdisc', 'add', 'dev', device, ...shaping(rate)] })
    await run({ program: 'tc', args: ['-n', network.namespace, 'qdisc', 'add', 'dev', port, ...shaping(rate)] })
  }
  return { address, device }
}

/** A bucket that takes several segments of offloaded TCP, and a queue of 50 ms as in a switch. */
function shaping({ rateBitsPerSecond }: LinkRate): string[] {
  return ['root', 'tbf', 'rate', `${rateBitsPerSecond}bit`, 'burst', '256kb', 'latency', '50ms']
}

async function ip(args: readonly string[]): Promise<void> {
  await run({ program: 'ip', args })
}

function lastLine(error: unknown): string {
  return error instanceof Error ? (error.message.trim().split('\n').at(-1) ?? '') : String(error)
}
