/** One node of a bench, in a process of its own: waits for the order to pull, reports, and stays up until it is let go. */
import { on } from 'node:events'
import type { Registries, StoredBlob, Swarm, SwarmOptions } from '../../../src/index.ts'
import type { FromNode, NodeSetup, ToNode } from './bench-messages.ts'
import { digestOfFile } from './seeded-file.ts'
import { epochMs } from './worker-process.ts'
import { loadProduct, runWorker, type WorkerChannel } from './worker.ts'

type Product = Awaited<ReturnType<typeof loadProduct>>

await runWorker<NodeSetup, FromNode>(async (setup, channel) => {
  const orders = on(process, 'message', { close: ['disconnect'] }) as AsyncIterable<[ToNode]>
  const product = await loadProduct(setup.entry)
  await using registries = new product.Registries({ registries: { [setup.registryHost]: { insecure: true } } })
  await using store = await product.PieceStore.open(product.fsBackend(setup.storeDir))
  const options: SwarmOptions & { supernodes?: readonly string[] | undefined } = {
    store,
    ...(setup.way === 'alone' && { discovery: [], listen: [] }),
    ...(setup.way === 'told' && {
      listen: [loopbackAddress(setup.port ?? 0)],
      discovery: [product.dht(), product.peers((setup.otherPorts ?? []).map(loopbackAddress))],
    }),
    ...(setup.supernodes && { supernodes: setup.supernodes }),
    ...(setup.origin && { origin: setup.origin }),
    ...(setup.region !== undefined && { location: { region: setup.region } }),
  }
  await using swarm = await product.createSwarm(options)
  const tellLinks = (): void => channel.tell({ type: 'links', count: swarm.stats().links.length })
  swarm.addEventListener('peer:linked', tellLinks)
  swarm.addEventListener('peer:unlinked', tellLinks)
  channel.tell({ type: 'ready' })
  tellLinks()
  let blob: StoredBlob | undefined
  for await (const [order] of orders) {
    if (order.type === 'pull') blob = await pull({ product, swarm, setup, registries }, order, channel)
    else channel.tell({ type: 'checked', digest: await digestOfFile(blob?.path ?? '') })
  }
})

async function pull(
  { product, swarm, setup, registries }: { product: Product; swarm: Swarm; setup: NodeSetup; registries: Registries },
  { blob, goEpochMs }: Extract<ToNode, { type: 'pull' }>,
  { released, tell }: WorkerChannel<FromNode>,
): Promise<StoredBlob> {
  const cpuBefore = process.cpuUsage()
  const { repository, sizeBytes } = blob
  const digest = product.parseDigest(blob.digest)
  const origin = product.registryOrigin({ reference: `${setup.registryHost}/${repository}@${digest}`, size: sizeBytes, registries })
  const layer = { digest, size: sizeBytes, ...(setup.origin !== 'never' && { origin }) }
  const stored = await swarm.fetchLayer(layer, { signal: released })
  const ms = epochMs() - goEpochMs
  const { user, system } = process.cpuUsage(cpuBefore)
  const { bytes, peers } = stored.stats
  tell({
    type: 'pulled',
    pull: {
      ms,
      originBytes: bytes.origin,
      peerBytes: bytes.peers,
      peerCount: peers.length,
      linkCount: swarm.stats().links.length,
      cpuSeconds: (user + system) / 1e6,
    },
  })
  return stored
}

function loopbackAddress(port: number): string {
  return `/ip4/127.0.0.1/tcp/${port}`
}
