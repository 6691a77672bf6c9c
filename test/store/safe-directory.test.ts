import assert from 'node:assert/strict'
import { chmod, chown, lstat, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, test } from 'vitest'
import { digestHex, parseDigest } from '../../src/core/digest.ts'
import type { Logger } from '../../src/core/log.ts'
import { fsBackend } from '../../src/store/fs-backend.ts'
import { fsScratch } from '../../src/store/fs-scratch.ts'
import { PieceStore } from '../../src/store/piece-store.ts'
import { fakeClock } from '../../src/testing/fake-clock.ts'
import {
  descriptorOf,
  digestsIn,
  fill,
  holds,
  openFsStore,
  someBlob,
  store,
  streamOf,
  wholeOf,
} from './stores.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** A logger that remembers the paths that it was told. */
function rememberingLogger(): Logger & { readonly paths: string[] } {
  const paths: string[] = []
  const remember = (_: string, facts?: Readonly<Record<string, unknown>>): void => {
    if (typeof facts?.['path'] === 'string') paths.push(facts['path'])
  }
  return { paths, debug: remember, info: remember, warn: remember }
}

const unsafe = { code: 'ERR_STORE_CORRUPT', message: /^unsafe directory / }

describe('the directory of a store', () => {
  for (const [name, open] of [
    ['fsBackend', async (path: string) => (await PieceStore.open(fsBackend(path))).close()],
    ['fsScratch', async (path: string) => fsScratch(path).remove(someBlob(1).digest)],
  ] as const) {
    test(`is refused by ${name} when others may write to it`, async () => {
      const directory = await temporaryDirectory()
      for (const mode of [0o777, 0o770, 0o720, 0o702]) {
        await chmod(directory, mode)
        await assert.rejects(open(directory), unsafe)
      }
      assert.deepEqual(await readdir(directory), [])
      for (const mode of [0o755, 0o700]) {
        await chmod(directory, mode)
        await open(directory)
      }
    })

    test(`is refused by ${name} when it is a link or a file`, async () => {
      const directory = await temporaryDirectory()
      await mkdir(join(directory, 'real'), { mode: 0o700 })
      await symlink(join(directory, 'real'), join(directory, 'link'))
      await writeFile(join(directory, 'file'), '')
      await assert.rejects(open(join(directory, 'link')), unsafe)
      await assert.rejects(open(join(directory, 'link/')), unsafe)
      await assert.rejects(open(join(directory, 'file')), unsafe)
      await open(join(directory, 'real'))
    })

    test(`is refused by ${name} when it belongs to somebody else`, async () => {
      let foreign = '/usr'
      if (process.getuid?.() === 0) {
        foreign = await temporaryDirectory()
        await chown(foreign, 65_534, 65_534)
      }
      await assert.rejects(open(foreign), unsafe)
    })

    test(`is refused by ${name} when a newer version made it`, async () => {
      const directory = await temporaryDirectory()
      await writeFile(join(directory, 'format.json'), '{"version":2}\n')
      await assert.rejects(open(directory), { code: 'ERR_STORE_CORRUPT', message: /version 2/ })
      await writeFile(join(directory, 'format.json'), 'something else')
      await assert.rejects(open(directory), { code: 'ERR_STORE_CORRUPT' })
      await writeFile(join(directory, 'format.json'), '{"version":1}\n')
      await open(directory)
    })
  }

  test('is made for its user alone, with all that is in it', async () => {
    const directory = join(await temporaryDirectory(), 'made', 'by', 'us')
    const target = await openFsStore(directory)
    await store(target, someBlob(1, 1000))
    const left = await target.part(someBlob(2).digest, someBlob(2).sizeBytes)
    await fill(left, someBlob(2), [0])
    await target.close()
    const pending = [directory]
    for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
      const found = await lstat(path)
      const expected = found.isDirectory() ? 0o700 : path.includes('/blobs/') ? 0o444 : 0o600
      assert.equal(found.mode & 0o777, expected, path)
      if (found.isDirectory())
        for (const name of await readdir(path)) pending.push(join(path, name))
    }
  })

  test('may have files of others in it: they are left alone, and told of where they are in the way', async () => {
    const directory = await temporaryDirectory()
    const blob = someBlob(3, 1000)
    const first = await openFsStore(directory)
    await store(first, blob)
    await first.close()
    const hex = digestHex(blob.digest)
    const shard = `blobs/sha256/${hex.slice(0, 2)}`
    const foreign = [
      'identity',
      'notes.txt',
      'blobs/sha256/README',
      `${shard}/x`,
      `${shard}/${'0'.repeat(64)}`,
      'parts/y',
      'owners/z',
    ]
    for (const name of foreign) await writeFile(join(directory, name), name)
    const logger = rememberingLogger()
    const later = await openFsStore(directory, { logger })
    assert.deepEqual(await digestsIn(later), [blob.digest])
    await store(later, someBlob(4, 1000))
    await later.close()
    for (const name of foreign) assert.equal(await readFile(join(directory, name), 'utf8'), name)
    const told = foreign
      .filter((name) => /^(blobs|parts)\//.test(name))
      .map((name) => join(directory, name))
    assert.deepEqual([...new Set(logger.paths)].toSorted(), told.toSorted())
  })

  test('cannot be left by a digest', async () => {
    const directory = await temporaryDirectory()
    const backend = fsBackend(join(directory, 'store'))
    for (const digest of [
      'sha256:../../../outside',
      'sha256:..',
      'sha256:AB',
      `sha256:${'a'.repeat(63)}/`,
    ] as const) {
      const blob = { digest, size: 1, mediaType: 'x/y' }
      const put = backend.put(blob, { sizeBytes: 1, stream: () => streamOf(someBlob(1, 1)) })
      await assert.rejects(put, { code: 'ERR_REQUEST_DIGEST' })
      await assert.rejects(backend.read(digest, { offset: 0, length: 1 }), {
        code: 'ERR_REQUEST_DIGEST',
      })
      await assert.rejects(backend.stat(digest), { code: 'ERR_REQUEST_DIGEST' })
      await assert.rejects(backend.delete(digest), { code: 'ERR_REQUEST_DIGEST' })
    }
    assert.deepEqual(await readdir(directory), [])
  })

  test('gives no blob that is a link', async () => {
    const directory = await temporaryDirectory()
    const blob = someBlob(5, 1000)
    const outside = join(await temporaryDirectory(), 'file')
    await writeFile(outside, wholeOf(blob))
    const backend = fsBackend(directory)
    assert.equal(await backend.stat(blob.digest), undefined)
    const path = backend.path?.(blob.digest) ?? ''
    await mkdir(dirname(path), { recursive: true })
    await symlink(outside, path)
    assert.equal(await backend.stat(blob.digest), undefined)
    await assert.rejects(backend.read(blob.digest, { offset: 0, length: 1 }), {
      code: 'ERR_STORE_IO',
    })
    await backend.close?.()
  })

  test('keeps damaged blobs for a day, and what others left half-written for a day, too', async () => {
    const directory = await temporaryDirectory()
    const blob = someBlob(6, 1000)
    const first = fsBackend(directory)
    await first.put(descriptorOf(blob), { sizeBytes: 1000, stream: () => streamOf(blob) })
    await first.quarantine?.(blob.digest)
    await mkdir(join(directory, 'incoming'), { recursive: true })
    await writeFile(join(directory, 'incoming', 'half'), 'half')
    await writeFile(join(directory, 'trash', 'rest'), 'rest').catch(async () => {
      await mkdir(join(directory, 'trash'))
      await writeFile(join(directory, 'trash', 'rest'), 'rest')
    })
    for (const [hours, kept] of [
      [23, 1],
      [25, 0],
    ] as const) {
      const clock = fakeClock(Date.now() + hours * 3_600_000)
      assert.equal(await fsBackend(directory, { clock }).stat(blob.digest), undefined)
      assert.equal((await readdir(join(directory, 'quarantine'))).length, kept)
      assert.equal((await readdir(join(directory, 'incoming'))).length, kept)
      assert.deepEqual(await readdir(join(directory, 'trash')), [])
    }
  })

  test('is opened at once by a store whose clock was changed, and loses nothing', async () => {
    const directory = await temporaryDirectory()
    const [blob, left] = [someBlob(7, 1000), someBlob(8)]
    const first = await openFsStore(directory)
    await store(first, blob)
    const part = await first.part(left.digest, left.sizeBytes)
    await fill(part, left, [0])
    await first.close()
    for (const wallMs of [0, Date.now() - 86_400_000, Date.now() + 86_400_000]) {
      const later = await openFsStore(directory, { clock: fakeClock(wallMs) })
      assert.ok(await holds(later, blob))
      const again = await later.part(left.digest, left.sizeBytes)
      assert.deepEqual([...again.stored.indexes()], [0])
      await later.close()
    }
  })
})

describe('a digest that nobody stored', () => {
  test('is absent from a store that was never written to', async () => {
    const directory = await temporaryDirectory()
    const target = await openFsStore(directory)
    assert.equal(await target.stat(parseDigest(`sha256:${'0'.repeat(64)}`)), undefined)
    assert.deepEqual(target.usage(), { usedBytes: 0, blobCount: 0 })
  })
})
