import type { Digest } from '../core/digest.ts'
import { LruMap } from '../core/lru-map.ts'

/**
 * A manifest or an index that was had before.
 * @public
 */
export interface CachedManifest {
  readonly bytes: Uint8Array
  /** True when credentials were needed to get it. */
  readonly usedCredentials: boolean
}

/**
 * Keeps manifests by their digest, so that what is in it never grows old. Tags are not kept.
 * @public
 */
export interface ManifestCache {
  /** What was kept; `undefined` when nothing was. */
  get(digest: Digest): CachedManifest | undefined
  /** May keep it or not. */
  set(digest: Digest, manifest: CachedManifest): void
}

/**
 * Keeps manifests in memory, those used last.
 * @param maxBytes - of all of them together; 16 MiB unless told
 * @public
 */
export function memoryManifestCache(maxBytes: number = 16 * 1024 * 1024): ManifestCache {
  const manifests = new LruMap<Digest, CachedManifest>(maxBytes, ({ bytes }) => bytes.byteLength)
  return {
    get: (digest) => manifests.get(digest),
    set: (digest, manifest) => manifests.set(digest, manifest),
  }
}
