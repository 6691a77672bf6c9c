import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { TestImage } from '../../src/testing/test-image.ts'

/**
 * Reads an OCI image layout back with nothing of the library: the index names the image, and every blob of it is there
 * with the bytes of its digest.
 */
export async function checkLayout(folder: string, image: TestImage): Promise<void> {
  const index: { manifests: { digest: string }[] } = JSON.parse(await readFile(join(folder, 'index.json'), 'utf8'))
  if (!index.manifests.some(({ digest }) => digest === image.manifest.digest)) {
    throw new RangeError(`${folder} does not name ${image.manifest.digest}`)
  }
  for (const { digest } of [image.manifest, image.config, ...image.layers]) {
    const hash = createHash('sha256')
    await pipeline(createReadStream(join(folder, 'blobs', 'sha256', digest.slice('sha256:'.length))), hash)
    const found = `sha256:${hash.digest('hex')}`
    if (found !== digest) throw new RangeError(`${folder} holds ${found} as ${digest}`)
  }
}
