import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'vitest'
import { loadIdentitySeed } from '../../src/net/identity.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'identity-'))
})
afterEach(() => rm(folder, { recursive: true }))

describe('loadIdentitySeed', () => {
  test('makes an identity that only its owner can read, and finds it again', async () => {
    const path = join(folder, 'deep', 'identity')
    const seed = await loadIdentitySeed(path)
    assert.equal(seed.reveal().byteLength, 32)
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    assert.equal(await readFile(path, 'utf8'), `${Buffer.from(seed.reveal()).toString('hex')}\n`)
    assert.deepEqual((await loadIdentitySeed(path)).reveal(), seed.reveal())
    assert.deepEqual(await readdir(join(folder, 'deep')), ['identity'])
  })

  test('gives one identity to all who start at once', async () => {
    const path = join(folder, 'identity')
    const seeds = await Promise.all(Array.from({ length: 8 }, () => loadIdentitySeed(path)))
    assert.equal(new Set(seeds.map((seed) => Buffer.from(seed.reveal()).toString('hex'))).size, 1)
    assert.deepEqual(await readdir(folder), ['identity'])
  })

  test('refuses a file that holds something else, and leaves it as it is', async () => {
    const path = join(folder, 'identity')
    for (const text of ['', 'an identity', `${'a'.repeat(64)}b`]) {
      await writeFile(path, text)
      await assert.rejects(loadIdentitySeed(path), { code: 'ERR_REQUEST_OPTION' })
      assert.equal(await readFile(path, 'utf8'), text)
    }
  })

  test('fails as the file system does', async () => {
    await assert.rejects(loadIdentitySeed(folder), { code: 'EISDIR' })
  })
})
