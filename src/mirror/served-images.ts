import type { Digest } from '../core/digest.ts'
import { LruMap } from '../core/lru-map.ts'

/** Manifests that are remembered, and blobs of them. */
const maxBlobs = 65_536

/** What a served manifest says of a blob. */
export interface ServedBlob {
  /** What nodes gather around that want it: digest of the manifest. */
  readonly topic: Digest
  readonly sizeBytes: number
  readonly mediaType: string
}

/** Blobs that clients are about to ask for, for they were given the manifests. Bounded: what is forgotten can be found anew. */
export class ServedImages {
  readonly #blobs = new LruMap<string, ServedBlob>(maxBlobs)

  /** @param repository - with its registry */
  learn(repository: string, topic: Digest, blobs: readonly { readonly digest: Digest; readonly size: number; readonly mediaType: string }[]): void {
    for (const { digest, size, mediaType } of blobs) this.#blobs.set(keyOf(repository, digest), { topic, sizeBytes: size, mediaType })
  }

  get(repository: string, digest: Digest): ServedBlob | undefined {
    return this.#blobs.get(keyOf(repository, digest))
  }
}

function keyOf(repository: string, digest: Digest): string {
  return `${repository}@${digest}`
}
