/** One node of the demo, in a process of its own: waits for the order to pull, reports, and stays up until it is let go. */
import { once } from 'node:events'
import { createSwarm, dht, fsBackend, ManifestResolver, peers, PieceStore, type Swarm } from '../../src/index.ts'
import type { FromNode, NodeSetup, ToNode } from './demo-messages.ts'

const progressIntervalMs = 200

const release = new AbortController()
process.once('disconnect', () => release.abort())
const released = once(release.signal, 'abort')
// Ctrl-C reaches all processes of the terminal; the demo lets its nodes go itself.
process.on('SIGINT', () => {})

try {
  const setup: NodeSetup = JSON.parse(process.argv[2] ?? '')
  await runNode(setup)
} catch (error) {
  tell({ type: 'failed', message: error instanceof Error ? error.message : String(error) })
  process.exitCode = 1
}

async function runNode({ storeDir, registryHost, bootstrap }: NodeSetup): Promise<void> {
  await using store = await PieceStore.open(fsBackend(storeDir))
  await using resolver = new ManifestResolver({ registries: { [registryHost]: { insecure: true } } })
  await using swarm = await createSwarm({
    store,
    resolver,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    discovery: bootstrap.length > 0 ? [dht(), peers(bootstrap)] : [dht()],
  })
  const ordered = once(process, 'message')
  if (bootstrap.length > 0 && swarm.stats().links.length === 0) await once(swarm, 'peer:linked')
  tell({ type: 'ready', addresses: swarm.addresses })
  const [order]: ToNode[] = await Promise.race([ordered, released])
  if (order) await pull(swarm, order)
  await released
}

async function pull(swarm: Swarm, { reference, to }: ToNode): Promise<void> {
  const hereBytes = new Map<string, number>()
  let mostGivers = 0
  let toldMs = 0
  await using image = await swarm.fetchImage(reference, {
    to,
    signal: release.signal,
    onProgress(progress) {
      if (progress.type === 'blob:completed') mostGivers = Math.max(mostGivers, progress.stats.peers.length)
      if (progress.type !== 'blob:progress') return
      hereBytes.set(progress.digest, progress.bytes.origin + progress.bytes.peers)
      if (performance.now() - toldMs < progressIntervalMs) return
      toldMs = performance.now()
      tell({ type: 'progress', bytes: [...hereBytes.values()].reduce((sum, bytes) => sum + bytes, 0) })
    },
  })
  tell({ type: 'pulled', digest: image.digest, stats: image.stats, mostGivers })
}

function tell(message: FromNode): void {
  if (process.connected) process.send?.(message)
}
