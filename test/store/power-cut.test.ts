import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, test, vi } from 'vitest'
import { fsBackend } from '../../src/store/fs-backend.ts'
import { memoryScratch } from '../../src/store/memory-scratch.ts'
import {
  descriptorOf,
  fill,
  openFsStore,
  openStore,
  someBlob,
  streamOf,
  wholeOf,
} from './stores.ts'
import { temporaryDirectory } from './temporary-directory.ts'
import { state } from './watched-disk.ts'

vi.mock('node:fs/promises', async (original) => {
  const { watchedDisk } = await import('./watched-disk.ts')
  return watchedDisk(await original())
})

beforeEach(() => {
  state.unsynced.clear()
  state.tooEarly.length = 0
})

/** What of a store's directory would be lost now, but for what nobody would miss. */
function atRisk(directory: string, folders: readonly string[]): string[] {
  const paths = ['', ...folders].map((folder) => join(directory, folder))
  return [...state.unsynced]
    .filter((path) => path === paths[0] || paths.slice(1).some((kept) => path.startsWith(kept)))
    .map((path) => path.slice(directory.length))
}

describe('after a power cut', () => {
  test('what was committed or imported is there, and what is known of it', async () => {
    const directory = await temporaryDirectory()
    const target = await openFsStore(directory)
    const [small, large, file] = [someBlob(1, 1000), someBlob(2), someBlob(3)]
    const path = join(await temporaryDirectory(), 'file')
    await writeFile(path, wholeOf(file))
    const part = await target.part(someBlob(4).digest, someBlob(4).sizeBytes)
    await fill(part, someBlob(4))
    for (const work of [
      () => target.import(descriptorOf(small), streamOf(small)),
      () => target.import(descriptorOf(large), streamOf(large)),
      () => target.importFile(path),
      () => part.commit(),
      () => target.pin(small.digest),
    ]) {
      await work()
      assert.deepEqual(atRisk(directory, ['blobs', 'meta']), [])
    }
    assert.deepEqual(state.tooEarly, [])
  })

  test('what came to a backend as a stream is there', async () => {
    const directory = await temporaryDirectory()
    const target = await openStore(fsBackend(directory), { scratch: memoryScratch() })
    const part = await target.part(someBlob(1).digest, someBlob(1).sizeBytes)
    await fill(part, someBlob(1))
    await part.commit()
    assert.deepEqual(atRisk(directory, ['blobs']), [])
    assert.deepEqual(state.tooEarly, [])
  })

  test('what a journal says of a part is true', async () => {
    const directory = await temporaryDirectory()
    const blob = someBlob(1)
    const target = await openFsStore(directory)
    const part = await target.part(blob.digest, blob.sizeBytes)
    await fill(part, blob, [0, 1])
    assert.notDeepEqual(atRisk(directory, ['parts']), [])
    await part.markPrivate()
    assert.deepEqual(atRisk(directory, ['parts']), [])
    await fill(part, blob, [2])
    await part.drop([0])
    assert.deepEqual(atRisk(directory, ['parts']), [])
    await fill(part, blob, [3])
    await part.close()
    assert.deepEqual(atRisk(directory, ['parts']), [])
    const again = await target.part(blob.digest, blob.sizeBytes)
    await fill(again, blob, [4])
    await target.close()
    assert.deepEqual(state.tooEarly, [])
  })

  test('a copy that was exported is there', async () => {
    const [directory, elsewhere] = [await temporaryDirectory(), await temporaryDirectory()]
    const blob = someBlob(1)
    for (const target of [
      await openFsStore(directory),
      await openStore(fsBackend(join(directory, 'other')), { scratch: memoryScratch() }),
    ]) {
      await target.import(descriptorOf(blob), streamOf(blob))
      await target.export(blob.digest, join(elsewhere, 'copy'))
      assert.deepEqual(atRisk(elsewhere, ['copy']), [])
    }
    assert.deepEqual(state.tooEarly, [])
  })
})
