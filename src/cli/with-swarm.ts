import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { containerdBackend } from '../backends/containerd.ts'
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
  type NetworkOptions,
  type StorageBackend,
  type Swarm,
  type WithheldEvent,
} from '../index.ts'
import type { Settings } from './config.ts'
import { readKeyFile } from './key-file.ts'

/**
 * Opens a node for as long as `use` takes, and closes all of it, whichever way that ends.
 *
 * @param options - `keepIdentity` gives it the peer id that it had in this store before; not for nodes that may run beside another one.
 * `onWithheld` is told what nobody may read
 */
export async function withSwarm<Result>(
  settings: Settings,
  logger: Logger,
  use: (swarm: Swarm) => Promise<Result>,
  options: { keepIdentity?: boolean; onWithheld?: (event: WithheldEvent) => void } = {},
): Promise<Result> {
  const { listen, location, origin, role, supernodes, trustedRanges } = settings
  const network = await networkOf(settings)
  const grants = settings.grantFile === undefined ? undefined : await readGrants(settings.grantFile)
  await using store = await PieceStore.open(backendOf(settings, logger), { logger })
  await using resolver = new ManifestResolver({ registries: insecureRegistries(settings.insecureHosts) })
  await using swarm = await createSwarm({
    store,
    resolver,
    network,
    sharing: { rules: settings.shares },
    grants,
    listen,
    location,
    origin,
    role,
    supernodes,
    ...(trustedRanges.length > 0 && { limits: { trustedRanges } }),
    logger,
    banFile: join(settings.storeDir, 'bans.json'),
    identityFile: settings.identityFile ?? (options.keepIdentity ? join(settings.storeDir, 'identity') : undefined),
    discovery: discoveryPlugins(settings),
  })
  swarm.addEventListener('sharing:withheld', ({ detail }) => options.onWithheld?.(detail))
  return await use(swarm)
}

function backendOf({ storeDir, containerdRoot }: Settings, logger: Logger): StorageBackend {
  const own = fsBackend(storeDir, { logger })
  return containerdRoot === undefined ? own : containerdBackend(containerdRoot, { fallback: own, logger })
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

async function networkOf({ networkKeyFile, allowedPeers }: Settings): Promise<NetworkOptions | undefined> {
  if (networkKeyFile === undefined && allowedPeers.length === 0) return undefined
  return {
    ...(networkKeyFile !== undefined && { key: (await readKeyFile(networkKeyFile, 'make one with openssl rand -hex 32')).trim() }),
    ...(allowedPeers.length > 0 && { allowPeers: allowedPeers }),
  }
}

async function readGrants(file: string): Promise<string[]> {
  try {
    const lines = (await readFile(file, 'utf8')).split('\n')
    return lines.map((line) => line.trim()).filter((line) => line !== '')
  } catch (cause) {
    throw new RequestError('ERR_REQUEST_OPTION', `the grant file ${file} cannot be read: put there what damselfly grant prints`, { cause })
  }
}

