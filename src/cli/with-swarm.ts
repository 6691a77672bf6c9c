import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  createSwarm,
  dht,
  dns,
  fsBackend,
  ManifestResolver,
  mdns,
  peers,
  PieceStore,
  RequestError,
  type DiscoveryPlugin,
  type Logger,
  type Swarm,
} from '../index.ts'
import type { Settings } from './config.ts'

/**
 * Opens a node for as long as `use` takes, and closes all of it, whichever way that ends.
 *
 * @param options - `keepIdentity` gives it the peer id that it had in this store before; not for nodes that may run beside another one
 */
export async function withSwarm<Result>(
  settings: Settings,
  logger: Logger,
  use: (swarm: Swarm) => Promise<Result>,
  options: { keepIdentity?: boolean } = {},
): Promise<Result> {
  const { listen, location, origin, role, supernodes, trustedRanges } = settings
  const network = settings.networkKeyFile === undefined ? undefined : { key: await readKey(settings.networkKeyFile) }
  await using store = await PieceStore.open(fsBackend(settings.storeDir))
  await using resolver = new ManifestResolver({ registries: insecureRegistries(settings.insecureHosts) })
  await using swarm = await createSwarm({
    store,
    resolver,
    network,
    listen,
    location,
    origin,
    role,
    supernodes,
    ...(trustedRanges.length > 0 && { limits: { trustedRanges } }),
    logger,
    banFile: join(settings.storeDir, 'bans.json'),
    identityFile: options.keepIdentity ? join(settings.storeDir, 'identity') : undefined,
    discovery: discoveryPlugins(settings),
  })
  return await use(swarm)
}

function discoveryPlugins({ discovery, peers: addresses }: Settings): DiscoveryPlugin[] {
  const plugins = discovery.map((choice) => {
    switch (choice.kind) {
      case 'dht':
        return dht()
      case 'mdns':
        return mdns()
      case 'dns':
        return dns(choice.host)
    }
  })
  return addresses.length > 0 ? [...plugins, peers(addresses)] : plugins
}

function insecureRegistries(hosts: readonly string[]): Record<string, { insecure: true }> {
  return Object.fromEntries(hosts.map((host) => [host, { insecure: true }]))
}

async function readKey(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (cause) {
    throw new RequestError(
      'ERR_REQUEST_OPTION',
      `the network key file ${file} cannot be read: make one with openssl rand -hex 32`,
      { cause },
    )
  }
}
