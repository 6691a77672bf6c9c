/**
 * Reads containerd's content store as a storage backend, so that what containerd has pulled is seeded from there and kept once.
 *
 * @packageDocumentation
 */

import { ContainerdStorage, type ContainerdBackend, type ContainerdBackendOptions } from './containerd-backend.ts'

export type { ContainerdBackend, ContainerdBackendOptions } from './containerd-backend.ts'

/**
 * Blobs of containerd's content store, which is read and never written, and those of a fallback, which takes what containerd does not have. Once containerd has
 * a blob, the fallback's copy is deleted.
 *
 * Containerd deletes what it likes when it likes, pinned or leased here or not: such a blob is absent then, and fetched anew when it is wanted. What
 * `delete` is told of and containerd has is hidden until the backend is opened anew. Blobs that containerd pulled without us count as private, for nobody
 * here knows how they came: they are offered inside a closed network only. A `RegistryMirror` of the node gives them, like all that the node has, to
 * whoever can reach it; one with `auth: 'passthrough'` to callers whom their registry lets read them.
 *
 * @param root - containerd's `root`, `/var/lib/containerd` as a rule, or the content directory in it; this user must be able to read it
 * @example
 * ```ts
 * import { createSwarm, fsBackend, PieceStore } from 'damselfly'
 * import { containerdBackend } from 'damselfly/backends/containerd'
 *
 * const backend = containerdBackend('/var/lib/containerd', { fallback: fsBackend('/var/lib/damselfly') })
 * await using store = await PieceStore.open(backend)
 * await using swarm = await createSwarm({ store })
 * ```
 * @public
 */
export function containerdBackend(root: string, options: ContainerdBackendOptions = {}): ContainerdBackend {
  return new ContainerdStorage(root, options)
}
