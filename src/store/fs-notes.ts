import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { digestHex, parseDigest, type Digest } from '../core/digest.ts'
import type { StoreDirectory } from './fs-directory.ts'
import { unlessAbsent, whileDoing } from './fs-error.ts'
import { replaceFile } from './fs-io.ts'
import type { BlobNotes, NoteKind } from './scratch.ts'

const suffixes: Readonly<Record<NoteKind, string>> = { facts: '.json', hashes: '.hashes' }

/** Notes as small files: `meta/sha256/ab/<hex>.json` and `.hashes`. */
export function fsNotes(root: StoreDirectory): BlobNotes {
  const shardOf = (digest: Digest): string[] => [
    'meta',
    'sha256',
    digestHex(parseDigest(digest)).slice(0, 2),
  ]
  const nameOf = (digest: Digest, kind: NoteKind): string => digestHex(digest) + suffixes[kind]
  return {
    async read(digest, kind) {
      const path = root.join(...shardOf(digest), nameOf(digest, kind))
      await root.ready()
      return whileDoing(`reading what is known of ${digest}`, () => unlessAbsent(readFile(path)))
    },
    async write(digest, kind, bytes) {
      const shard = shardOf(digest)
      await root.ready()
      await whileDoing(`noting what is known of ${digest}`, async () => {
        await replaceFile(join(await root.make(...shard), nameOf(digest, kind)), bytes)
      })
    },
    async delete(digest) {
      const shard = root.join(...shardOf(digest))
      await root.ready()
      await whileDoing(`forgetting ${digest}`, async () => {
        await rm(join(shard, nameOf(digest, 'facts')), { force: true })
        await rm(join(shard, nameOf(digest, 'hashes')), { force: true })
      })
    },
  }
}
