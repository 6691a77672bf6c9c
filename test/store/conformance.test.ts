import { rm } from 'node:fs/promises'
import { describe, test } from 'vitest'
import { fsBackend } from '../../src/store/fs-backend.ts'
import { fsScratch } from '../../src/store/fs-scratch.ts'
import { memoryBackend } from '../../src/store/memory-backend.ts'
import { memoryScratch } from '../../src/store/memory-scratch.ts'
import { PieceStore } from '../../src/store/piece-store.ts'
import type { StorageBackend } from '../../src/store/storage-backend.ts'
import { scratchConformance, type ScratchFixture } from '../../src/testing/scratch-conformance.ts'
import {
  storageBackendConformance,
  type StorageBackendFixture,
} from '../../src/testing/storage-backend-conformance.ts'
import { makeDirectory } from './temporary-directory.ts'

async function openMemory(): Promise<StorageBackendFixture> {
  return { backend: memoryBackend(), close: async () => {} }
}

async function openFs(): Promise<StorageBackendFixture> {
  const directory = await makeDirectory()
  let backend = fsBackend(directory)
  return {
    backend,
    async reopen() {
      await backend.close?.()
      backend = fsBackend(directory)
      return backend
    },
    async close() {
      await backend.close?.()
      await rm(directory, { recursive: true })
    },
  }
}

async function openMemoryScratch(): Promise<ScratchFixture> {
  return { scratch: memoryScratch(), close: async () => {} }
}

async function openFsScratch(): Promise<ScratchFixture> {
  const directory = await makeDirectory()
  let scratch = fsScratch(directory)
  return {
    scratch,
    async reopen() {
      await scratch.close()
      scratch = fsScratch(directory)
      return scratch
    },
    async close() {
      await scratch.close()
      await rm(directory, { recursive: true })
    },
  }
}

/** A store with the face of a backend: the facade must keep all promises of what is below it. */
function backendOf(store: PieceStore): StorageBackend {
  return {
    name: store.backendName,
    put: (blob, source, options) => store.import(blob, source.stream(), options),
    read: (digest, range, options) => store.read(digest, range, options),
    stat: async (digest, options) => (await store.stat(digest, options))?.sizeBytes,
    async *list(options) {
      options?.signal?.throwIfAborted()
      for await (const { digest } of store.list()) yield digest
    },
    async delete(digest, options) {
      options?.signal?.throwIfAborted()
      await store.delete(digest)
    },
    path: (digest) => store.path(digest),
    close: () => store.close(),
  }
}

function throughStore(
  open: () => Promise<StorageBackendFixture>,
): () => Promise<StorageBackendFixture> {
  return async () => {
    const fixture = await open()
    let store = await PieceStore.open(fixture.backend)
    const reopen = fixture.reopen?.bind(fixture)
    return {
      backend: backendOf(store),
      ...(reopen && {
        async reopen() {
          await store.close()
          store = await PieceStore.open(await reopen())
          return backendOf(store)
        },
      }),
      async close() {
        await store.close()
        await fixture.close()
      },
    }
  }
}

const backends = { memoryBackend: openMemory, fsBackend: openFs }
for (const [name, open] of Object.entries(backends)) {
  describe(name, () => {
    for (const { name: promise, run } of storageBackendConformance(open)) test(promise, run)
  })
  describe(`PieceStore over ${name}`, () => {
    for (const { name: promise, run } of storageBackendConformance(throughStore(open)))
      test(promise, run)
  })
}

const scratches = { memoryScratch: openMemoryScratch, fsScratch: openFsScratch }
for (const [name, open] of Object.entries(scratches)) {
  describe(name, () => {
    for (const { name: promise, run } of scratchConformance(open)) test(promise, run)
  })
}
