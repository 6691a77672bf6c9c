import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, test } from 'vitest'
import { PieceStore, type StorageBackend } from '../../src/index.ts'
import {
  seededContent,
  storageBackendConformance,
  type StorageBackendFixture,
} from '../../src/testing/index.ts'

const root = join(import.meta.dirname, '../..')
const page = await readFile(join(root, 'docs/writing-a-backend.md'), 'utf8')
const [, code] = /```ts\n([^]*?export function folderBackend[^]*?)```/.exec(page) ?? []
assert.ok(code !== undefined, 'the page has the backend')

await mkdir(join(root, 'temp'), { recursive: true })
const folder = await mkdtemp(join(root, 'temp', 'backend-'))
afterAll(() => rm(folder, { recursive: true }))
const file = join(folder, 'folder-backend.ts')
await writeFile(file, code.replaceAll("from 'damselfly'", "from '../../src/index.ts'"))
const { folderBackend }: { folderBackend: (folder: string) => StorageBackend } = await import(file)

async function openFolder(): Promise<StorageBackendFixture> {
  const blobs = await mkdtemp(join(tmpdir(), 'damselfly-folder-'))
  return {
    backend: folderBackend(blobs),
    reopen: async () => folderBackend(blobs),
    close: () => rm(blobs, { recursive: true }),
  }
}

describe('the backend that is printed in docs/writing-a-backend.md', () => {
  for (const { name, run } of storageBackendConformance(openFolder)) test(name, run)

  test('holds the blobs of a store', async () => {
    const fixture = await openFolder()
    const blob = seededContent(1, 3_000_000)
    const { digest, sizeBytes } = blob
    const bytes = blob.read({ offset: 0, length: sizeBytes })
    const store = await PieceStore.open(fixture.backend)
    await store.import(
      { digest, size: sizeBytes, mediaType: 'application/octet-stream' },
      (async function* () {
        yield bytes
      })(),
    )
    await store.close()
    const later = await PieceStore.open((await fixture.reopen?.()) ?? fixture.backend)
    assert.equal((await later.stat(digest))?.sizeBytes, sizeBytes)
    assert.equal(Buffer.compare(await later.read(digest), bytes), 0)
    await later.close()
    await fixture.close()
  })
})
