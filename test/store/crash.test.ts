import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, test } from 'vitest'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { digestsIn, fill, holds, openFsStore, pieceOf, sha256 } from './stores.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** Starts a process that writes to a store, and kills it at the first line that it prints for which `when` is true. */
async function crash(
  directory: string,
  scenario: string,
  when: (line: string, index: number) => boolean,
): Promise<void> {
  const program = join(import.meta.dirname, 'crashing-process.ts')
  const child = spawn(process.execPath, [program, directory, scenario], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = new Promise<NodeJS.Signals | null>((resolve) => {
    child.on('exit', (_, signal) => resolve(signal))
  })
  let index = 0
  for await (const line of createInterface({ input: child.stdout })) {
    if (when(line, index++)) child.kill('SIGKILL')
    else child.stdin.write('go on\n')
  }
  assert.equal(await ended, 'SIGKILL')
}

const blob = seededContent(1, 2_000_000)

async function bytesFileIn(directory: string): Promise<string> {
  const [part = '', ...others] = await readdir(join(directory, 'parts'))
  assert.deepEqual(others, [])
  return join(directory, 'parts', part, 'bytes')
}

describe('after kill -9', () => {
  test('a part has the pieces that were synced, their origin, and that it is private', async () => {
    const directory = await temporaryDirectory()
    await crash(directory, 'one', (line) => line === '1 written 5')
    const store = await openFsStore(directory)
    assert.equal(await store.stat(blob.digest), undefined)
    const part = await store.part(blob.digest, blob.sizeBytes)
    assert.deepEqual([...part.stored.indexes()], [0, 1, 2, 3])
    assert.deepEqual([...part.fromOrigin.indexes()], [0, 2])
    assert.equal(part.private, true)
    for (const piece of part.stored.indexes())
      assert.deepEqual(part.hash(piece), sha256(pieceOf(blob, piece)))
    await fill(part, blob, [4, 5, 6, 7])
    await part.commit()
    assert.ok(await holds(store, blob))
    assert.equal((await store.stat(blob.digest))?.private, true)
  })

  test('pieces whose bytes are not what the journal says do not count', async () => {
    const directory = await temporaryDirectory()
    await crash(directory, 'one', (line) => line === '1 written 5')
    const path = await bytesFileIn(directory)
    const bytes = await readFile(path)
    bytes.writeUInt8(bytes.readUInt8(300_000) ^ 1, 300_000)
    await writeFile(path, bytes.subarray(0, 1_000_000))
    const store = await openFsStore(directory)
    const part = await store.part(blob.digest, blob.sizeBytes)
    assert.deepEqual([...part.stored.indexes()], [0, 2])
    await part.close()
    const again = await store.part(blob.digest, blob.sizeBytes)
    assert.deepEqual([...again.stored.indexes()], [0, 2])
    await fill(again, blob)
    await again.commit()
    assert.ok(await holds(store, blob))
  })

  test('an aborted recovery leaves the pieces to be checked by the next one', async () => {
    const directory = await temporaryDirectory()
    await crash(directory, 'one', (line) => line === '1 written 5')
    const path = await bytesFileIn(directory)
    const bytes = await readFile(path)
    bytes.writeUInt8(bytes.readUInt8(300_000) ^ 1, 300_000)
    await writeFile(path, bytes)
    const first = await openFsStore(directory)
    const controller = new AbortController()
    const opening = first.part(blob.digest, blob.sizeBytes, { signal: controller.signal })
    controller.abort(new RangeError('enough'))
    await assert.rejects(opening, { name: 'RangeError', message: 'enough' })
    await first.close()
    const store = await openFsStore(directory)
    const part = await store.part(blob.digest, blob.sizeBytes)
    assert.deepEqual([...part.stored.indexes()], [0, 2, 3])
  })

  test('whenever it comes, all blobs that are seen are whole, and what was begun can be finished', async () => {
    const directory = await temporaryDirectory()
    for (const stopAt of [0, 5, 6, 8, 15]) {
      await crash(directory, 'many', (_, index) => index === stopAt)
      const store = await openFsStore(directory)
      for (let seed = 1; seed < 6; seed++) {
        const content = seededContent(seed, seed % 2 === 0 ? 50_000 : 1_500_000)
        if (await store.stat(content.digest)) assert.ok(await holds(store, content))
      }
      const content = seededContent(1, 1_500_000)
      const part = await store.part(content.digest, content.sizeBytes)
      await fill(part, content)
      await part.commit()
      assert.ok(await holds(store, content))
      for (const digest of await digestsIn(store)) await store.delete(digest)
      await store.close()
      assert.deepEqual(await readdir(join(directory, 'parts')), [])
      assert.deepEqual(await readdir(join(directory, 'owners')), [])
      assert.deepEqual(await readdir(join(directory, 'trash')), [])
    }
  })
})
