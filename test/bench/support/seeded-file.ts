import { createCipheriv, createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import type { BlobFile } from '../net/registry.ts'

const stepBytes = 1024 * 1024

/** Writes a file of bytes that follow from a seed and do not compress: a stream cipher over zeros. */
export async function writeSeededFile(path: string, seed: number, sizeBytes: number): Promise<BlobFile> {
  const hash = createHash('sha256')
  const key = Buffer.alloc(16)
  key.writeUInt32BE(seed)
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16))
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let written = 0; written < sizeBytes; written += stepBytes) {
      const chunk = cipher.update(Buffer.alloc(Math.min(stepBytes, sizeBytes - written)))
      hash.update(chunk)
      yield chunk
    }
  }
  await pipeline(chunks(), createWriteStream(path))
  return { path, digest: `sha256:${hash.digest('hex')}`, sizeBytes }
}

/** Reads a file again: its digest. */
export async function digestOfFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return `sha256:${hash.digest('hex')}`
}
