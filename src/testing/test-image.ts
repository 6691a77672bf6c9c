import { mediaTypes, type Descriptor, type Platform } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import type { EmbeddedOrigin } from './embedded-origin.ts'
import { contentOf, seededContent, type BlobContent } from './seeded-content.ts'

/**
 * Settings of {@link testImage}.
 * @public
 */
export interface TestImageOptions {
  /** The same options make the same image. */
  seed: number
  /** Length of each layer in bytes, the base layer first. */
  layerSizes: readonly number[]
  /** @defaultValue linux/amd64 */
  platform?: Platform | undefined
}

/**
 * An image that is made, not stored.
 * @public
 */
export interface TestImage {
  readonly manifest: Descriptor
  readonly manifestBytes: Uint8Array
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
  readonly platform: Platform
  /** The bytes of the config and the layers. */
  content(digest: Digest): BlobContent | undefined
  /** Puts the image into an origin, under a tag where one is given. */
  addTo(origin: EmbeddedOrigin, repository: string, tag?: string): void
}

const layerType = 'application/vnd.oci.image.layer.v1.tar'

/**
 * Makes an image of given layer sizes, for tests and benchmarks. Its layers are opaque bytes: no engine can run it.
 * @public
 */
export function testImage(options: TestImageOptions): TestImage {
  const { seed, layerSizes, platform = { os: 'linux', architecture: 'amd64' } } = options
  const layerContents = layerSizes.map((sizeBytes, index) =>
    seededContent(seed * 1000 + index, sizeBytes),
  )
  const diffIds = layerContents.map(({ digest }) => digest)
  const configContent = jsonContent({
    ...platform,
    config: {},
    rootfs: { type: 'layers', diff_ids: diffIds },
  })
  const config = describe(mediaTypes.ociConfig, configContent)
  const layers = layerContents.map((content) => describe(layerType, content))
  const manifestContent = jsonContent({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config,
    layers,
  })
  const manifestBytes = manifestContent.read({ offset: 0, length: manifestContent.sizeBytes })
  const contents = new Map(
    [configContent, ...layerContents].map((content) => [content.digest, content]),
  )
  return {
    manifest: describe(mediaTypes.ociManifest, manifestContent),
    manifestBytes,
    config,
    layers,
    platform,
    content: (digest) => contents.get(digest),
    addTo(origin, repository, tag) {
      for (const content of contents.values()) origin.addBlob(content)
      origin.addManifest(repository, tag, manifestBytes, mediaTypes.ociManifest)
    },
  }
}

function jsonContent(value: unknown): BlobContent {
  return contentOf(new TextEncoder().encode(JSON.stringify(value)))
}

function describe(mediaType: string, content: BlobContent): Descriptor {
  return { mediaType, digest: content.digest, size: content.sizeBytes }
}
