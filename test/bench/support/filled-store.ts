import { oneChunk } from '../../../src/oci/one-chunk.ts'
import type { Descriptor, Digest } from '../../../src/index.ts'
import { loadProduct } from './worker.ts'

/** What a store is filled with. */
export interface Filling {
  readonly entry: string
  readonly storeDir: string
  readonly imageCount: number
  readonly blobCount: number
}

/** A blob in a store. */
export interface FilledBlob {
  readonly digest: Digest
  readonly sizeBytes: number
}

/** Importing waits for the disk most of the time. */
const importsAtOnce = 64

/**
 * Fills a store with images of tiny layers, all different: so many blobs in all, manifests and configs included.
 * @returns the manifests, the ones that came last at the end, and the layers
 */
export async function fillStore(filling: Filling): Promise<{ manifests: FilledBlob[]; layers: FilledBlob[] }> {
  const { PieceStore, fsBackend, digestOf } = await loadProduct(filling.entry)
  await using store = await PieceStore.open(fsBackend(filling.storeDir))
  const { imageCount, blobCount } = filling
  const blobOf = (mediaType: string, text: string): MadeBlob => {
    const bytes = new TextEncoder().encode(text)
    return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.byteLength }, bytes }
  }
  const layers: MadeBlob[] = []
  const configs: MadeBlob[] = []
  const manifests: MadeBlob[] = []
  for (let image = 0; image < imageCount; image++) {
    const blobsOfThis = Math.floor((blobCount * (image + 1)) / imageCount) - Math.floor((blobCount * image) / imageCount)
    const own = Array.from({ length: blobsOfThis - 2 }, (_, index) =>
      blobOf('application/vnd.oci.image.layer.v1.tar', `layer ${index} of image ${image}`),
    )
    const config = blobOf(
      'application/vnd.oci.image.config.v1+json',
      JSON.stringify({
        os: 'linux',
        architecture: 'amd64',
        config: {},
        rootfs: { type: 'layers', diff_ids: own.map(({ descriptor }) => descriptor.digest) },
      }),
    )
    const mediaType = 'application/vnd.oci.image.manifest.v1+json'
    const manifest = { schemaVersion: 2, mediaType, config: config.descriptor, layers: own.map(({ descriptor }) => descriptor) }
    layers.push(...own)
    configs.push(config)
    manifests.push(blobOf(mediaType, JSON.stringify(manifest)))
  }
  // Manifests are the most recent blobs, in the order in which they are returned.
  const queue = [...layers, ...configs]
  await Promise.all(
    Array.from({ length: importsAtOnce }, async () => {
      for (let blob = queue.shift(); blob; blob = queue.shift()) await store.import(blob.descriptor, oneChunk(blob.bytes))
    }),
  )
  for (const { descriptor, bytes } of manifests) await store.import(descriptor, oneChunk(bytes))
  return { manifests: manifests.map(filled), layers: layers.map(filled) }
}

interface MadeBlob {
  readonly descriptor: Descriptor
  readonly bytes: Uint8Array
}

function filled({ descriptor: { digest, size } }: MadeBlob): FilledBlob {
  return { digest, sizeBytes: size }
}
