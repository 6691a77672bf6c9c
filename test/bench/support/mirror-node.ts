/** A node with a mirror, in a process of its own: `node mirror-node.ts SETUP`. It prints a line when it is ready, and ends with its parent. */
import { peers } from '../../../src/discovery/static-discovery.ts'
import { createSwarm } from '../../../src/swarm/create-swarm.ts'
import { fsBackend } from '../../../src/store/fs-backend.ts'
import { PieceStore } from '../../../src/store/piece-store.ts'
import { RegistryMirror } from '../../../src/mirror/registry-mirror.ts'

/** What it is to be. */
export interface MirrorNodeSetup {
  /** Of the mirror: `127.0.0.1:5001`. */
  readonly listen: string
  /** Folder of the node's store. */
  readonly store: string
  /** Without TLS: `127.0.0.1:5000`. */
  readonly registry: string
  /** Imported first. */
  readonly file?: string | undefined
  /** Of a closed network; without it the node listens nowhere. */
  readonly networkKey?: string | undefined
  /** Addresses of nodes that it knows. */
  readonly peers?: readonly string[] | undefined
  /** It kills itself once it has given so many to peers. */
  readonly dieAfterBytes?: number | undefined
}

/** What it prints, as JSON. */
export interface MirrorNodeReady {
  readonly addresses: readonly string[]
}

const { listen, store: directory, registry, file, networkKey, peers: addresses = [], dieAfterBytes }: MirrorNodeSetup = JSON.parse(process.argv[2] ?? '')
const store = await PieceStore.open(fsBackend(directory))
if (file !== undefined) {
  const { digest } = await store.importFile(file)
  // So that what is measured is not the one reading that makes sure of a blob before it is first served.
  for await (const chunk of store.stream(digest)) void chunk
}
const swarm = await createSwarm({
  store,
  discovery: addresses.length > 0 ? [peers(addresses)] : [],
  listen: networkKey === undefined ? [] : ['/ip4/127.0.0.1/tcp/0'],
  ...(networkKey !== undefined && { network: { key: networkKey } }),
})
const mirror = new RegistryMirror(swarm, { listen, upstreams: { [registry]: { insecure: true } }, credentials: 'anonymous' })
await mirror.start()
const ready: MirrorNodeReady = { addresses: swarm.addresses }
console.log(JSON.stringify(ready))
if (dieAfterBytes !== undefined) {
  setInterval(() => {
    if (swarm.stats().bytes.served >= dieAfterBytes) process.kill(process.pid, 'SIGKILL')
  }, 5)
}
process.stdin.resume()
process.stdin.once('end', () => process.exit())
