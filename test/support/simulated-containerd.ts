import { randomUUID } from 'node:crypto'
import { chmod, link, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { digestHex, type Digest } from '../../src/core/digest.ts'
import type { BlobContent } from '../../src/testing/seeded-content.ts'

/** What containerd does to its content directory, without containerd. */
export class SimulatedContainerd {
  readonly root: string
  readonly contentDirectory: string

  /** @param root - where its directories are made with the first blob */
  constructor(root: string) {
    this.root = root
    this.contentDirectory = join(root, 'io.containerd.content.v1.content')
  }

  /** Takes a blob in, if it is not there: written beside, read-only, then there in one step. */
  async commit({ digest, ...content }: BlobContent): Promise<void> {
    await this.commitBytes(digest, content.read({ offset: 0, length: content.sizeBytes }))
  }

  async commitBytes(digest: Digest, bytes: Uint8Array): Promise<void> {
    const ingest = join(this.contentDirectory, 'ingest')
    await mkdir(ingest, { recursive: true })
    await mkdir(join(this.contentDirectory, 'blobs', 'sha256'), { recursive: true })
    const data = join(ingest, randomUUID())
    await writeFile(data, bytes)
    await chmod(data, 0o444)
    // Unlike a rename, this leaves what is there.
    await link(data, this.pathOf(digest)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
    await rm(data)
  }

  /** Its garbage collector comes by. */
  async collect(digest: Digest): Promise<void> {
    await rm(this.pathOf(digest))
  }

  pathOf(digest: Digest): string {
    return join(this.contentDirectory, 'blobs', 'sha256', digestHex(digest))
  }
}
