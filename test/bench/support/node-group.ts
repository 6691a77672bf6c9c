/** Several nodes of a bench in one process; they hold an image, or just are there, until they are let go. */
import { on } from 'node:events'
import { join } from 'node:path'
import type { Swarm } from '../../../src/index.ts'
import { groupImage, type FromGroup, type GroupSetup, type ToGroup } from './group-messages.ts'
import { loadProduct, loadTesting, runWorker } from './worker.ts'

await runWorker<GroupSetup, FromGroup>(async (setup, { tell }) => {
  const orders = on(process, 'message', { close: ['disconnect'] }) as AsyncIterable<[ToGroup]>
  const product = await loadProduct(setup.entry)
  await using cleanup = new AsyncDisposableStack()
  const { image, listen, multicast, bootstrap } = setup
  let registryHost = image?.registryHost
  if (image && registryHost === undefined) {
    const { embeddedOrigin, testImage } = await loadTesting(setup.testingEntry)
    const origin = cleanup.use(await embeddedOrigin())
    const [repository = '', tag] = groupImage.split(':')
    testImage({ seed: 1, layerSizes: image.layerSizes }).addTo(origin, repository, tag)
    registryHost = origin.host
  }
  const swarms: Swarm[] = []
  for (let number = 0; number < setup.nodeCount; number++) {
    const store = cleanup.use(await product.PieceStore.open(product.fsBackend(join(setup.folder, String(number)))))
    const known = [...bootstrap, ...(swarms[0]?.addresses ?? [])]
    const swarm = cleanup.use(
      await product.createSwarm({
        store,
        listen,
        resolver: cleanup.use(new product.ManifestResolver({ registries: { [registryHost ?? '127.0.0.1']: { insecure: true } } })),
        discovery: [product.dht(), ...(multicast ? [product.mdns()] : []), ...(known.length > 0 ? [product.peers(known)] : [])],
      }),
    )
    swarms.push(swarm)
    if (image) cleanup.use(await swarm.fetchImage(`${registryHost}/${groupImage}`))
  }
  tell({ type: 'ready', addresses: swarms.flatMap(({ addresses }) => addresses), registryHost })
  for await (const _ of orders) tell({ type: 'counted', linkCounts: swarms.map((swarm) => swarm.stats().links.length) })
})
