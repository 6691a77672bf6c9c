import type { Descriptor, Platform } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import type { Origin } from '../core/origin.ts'
import type { Reference } from '../core/reference.ts'
import type { ImageIndex, ImageManifest } from './image-manifest.ts'

/**
 * A blob of an image, with the place from which it may be had if nobody else has it.
 * @public
 */
export interface Layer extends Descriptor {
  readonly origin: Origin
}

/**
 * Bytes of a manifest or an index, which are those of its digest.
 * @public
 */
export interface ManifestBlob {
  readonly descriptor: Descriptor
  readonly bytes: Uint8Array
}

/**
 * What a reference stands for.
 * @public
 */
export interface ResolvedImage {
  readonly reference: Reference
  /** What the reference named: the index where there is one, else the manifest. */
  readonly digest: Digest
  readonly index?: ManifestBlob | undefined
  readonly manifest: ManifestBlob & { readonly parsed: ImageManifest }
  readonly config: Layer
  /** The base layer first. A layer may occur twice. */
  readonly layers: readonly Layer[]
  /** As the index says; `undefined` when the reference named a manifest. */
  readonly platform: Platform | undefined
  /** True when credentials were needed on the way: the image is then private. */
  readonly usedCredentials: boolean
}

/**
 * A manifest, or an index of manifests.
 * @public
 */
export interface ResolvedManifest {
  readonly descriptor: Descriptor
  /** As they came: the digest is theirs. */
  readonly bytes: Uint8Array
  readonly parsed: ImageManifest | ImageIndex
  /** True when the registry gave it for credentials only, as far as this process knows. */
  readonly usedCredentials: boolean
}
