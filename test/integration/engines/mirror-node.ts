/** A node with a mirror before it, in a process of its own, for engines to pull through; it ends with its standard input. */
import { join } from 'node:path'
import { containerdBackend } from '../../../src/backends/containerd.ts'
import { createSwarm, fsBackend, ManifestResolver, peers, PieceStore, RegistryMirror } from '../../../src/index.ts'

/** What it is told on its command line, as JSON. */
export interface MirrorNodeSettings {
  readonly directory: string
  /** Where the registry answers that the mirror stands in for, under each of these names. */
  readonly registryUrl: string
  readonly registryNames: readonly string[]
  /** Addresses of other nodes. */
  readonly peers?: readonly string[] | undefined
  /** References to seed before it is ready, with the platform of each. */
  readonly seeds?: readonly { readonly reference: string; readonly platform?: string }[] | undefined
  readonly networkKey?: string | undefined
  /** Root of a containerd, to keep what it has once. */
  readonly containerdRoot?: string | undefined
}

/** Its one line of output. */
export interface MirrorNodeReady {
  readonly addresses: readonly string[]
  readonly mirror: string
}

const settings: MirrorNodeSettings = JSON.parse(process.argv[2] ?? '')
const { directory, registryUrl, registryNames, networkKey, containerdRoot } = settings
const registries = Object.fromEntries(registryNames.map((name) => [name, { url: registryUrl, insecure: true }]))
const own = fsBackend(join(directory, 'store'))
const backend = containerdRoot === undefined ? own : containerdBackend(containerdRoot, { fallback: own, releaseEveryMs: 200 })
const store = await PieceStore.open(backend)
const resolver = new ManifestResolver({ registries, credentials: 'anonymous' })
const swarm = await createSwarm({
  store,
  resolver,
  listen: ['/ip4/127.0.0.1/tcp/0'],
  discovery: settings.peers ? [peers(settings.peers)] : [],
  network: networkKey === undefined ? undefined : { key: networkKey },
})
const mirror = new RegistryMirror(swarm, { upstreams: registries, listen: '127.0.0.1:0', credentials: 'anonymous' })
await mirror.start()
for (const { reference, platform } of settings.seeds ?? []) await swarm.seed({ reference, platform })
const ready: MirrorNodeReady = { addresses: swarm.addresses, mirror: mirror.url }
process.stdout.write(`${JSON.stringify(ready)}\n`)
process.stdin.resume().once('end', () => void close())

async function close(): Promise<void> {
  await mirror.close()
  await swarm.close()
  await resolver.close()
  await store.close()
  process.exit()
}
