/** Does what `damselfly pull` does, once, in a process of its own, and tells when it got how far. */
import { join } from 'node:path'
import { epochMs } from './worker-process.ts'
import { loadProduct, runWorker } from './worker.ts'

const scriptEpochMs = epochMs()

/** How a bench starts a pull. */
export interface ColdPullSetup {
  readonly entry: string
  readonly folder: string
  readonly reference: string
  readonly registryHost: string
  readonly listen?: readonly string[] | undefined
  readonly multicast: boolean
  readonly peers: readonly string[]
}

/** When a pull got how far, by the clock that all processes of a machine share, in milliseconds. What did not happen is absent. */
export interface ColdPullMarks {
  /** The first line of a script runs: Node is up. */
  readonly scriptEpochMs: number
  /** The library is loaded. */
  readonly loadedEpochMs: number
  /** The store is open, and the node listens. */
  readonly nodeEpochMs: number
  readonly linkedEpochMs?: number | undefined
  /** The tag is resolved, and the layers are known. */
  readonly resolvedEpochMs?: number | undefined
  /** A piece from a peer is verified and stored. */
  readonly peerPieceEpochMs?: number | undefined
  /** The image is complete, and written as a layout. */
  readonly doneEpochMs: number
}

/** What a pull tells. */
export interface FromColdPull {
  readonly type: 'done'
  readonly marks: ColdPullMarks
}

await runWorker<ColdPullSetup, FromColdPull>(async (setup, { tell, released }) => {
  const product = await loadProduct(setup.entry)
  const loadedEpochMs = epochMs()
  const { dht, mdns, peers, PieceStore, fsBackend, ManifestResolver, createSwarm } = product
  await using store = await PieceStore.open(fsBackend(join(setup.folder, 'store')))
  await using resolver = new ManifestResolver({ registries: { [setup.registryHost]: { insecure: true } } })
  await using swarm = await createSwarm({
    store,
    resolver,
    listen: setup.listen,
    discovery: [dht(), ...(setup.multicast ? [mdns()] : []), ...(setup.peers.length > 0 ? [peers(setup.peers)] : [])],
  })
  const nodeEpochMs = epochMs()
  let linkedEpochMs: number | undefined = swarm.stats().links.length > 0 ? nodeEpochMs : undefined
  let resolvedEpochMs: number | undefined
  let peerPieceEpochMs: number | undefined
  swarm.addEventListener('peer:linked', () => (linkedEpochMs ??= epochMs()))
  swarm.addEventListener('piece:stored', ({ detail }) => {
    if (detail.from !== 'origin') peerPieceEpochMs ??= epochMs()
  })
  await using _image = await swarm.fetchImage(setup.reference, {
    to: join(setup.folder, 'layout'),
    signal: released,
    onProgress(progress) {
      if (progress.type === 'image:resolved') resolvedEpochMs ??= epochMs()
    },
  })
  const doneEpochMs = epochMs()
  tell({
    type: 'done',
    marks: { scriptEpochMs, loadedEpochMs, nodeEpochMs, linkedEpochMs, resolvedEpochMs, peerPieceEpochMs, doneEpochMs },
  })
})
