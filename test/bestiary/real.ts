import assert from 'node:assert/strict'
import type { Origin } from '../../src/core/origin.ts'
import type { StoredBlob } from '../../src/swarm/stored-blob.ts'
import type { BlobContent } from '../../src/testing/seeded-content.ts'

/** Gives a blob in this process, without a server. */
export function originOf(content: BlobContent): Origin {
  return {
    name: 'somewhere',
    read: async (range = { offset: 0, length: content.sizeBytes }) => ({ usedCredentials: false, chunks: chunksOf(content.read(range)) }),
  }
}

async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

/** Each byte is where it belongs. */
export async function assertHolds(blob: StoredBlob, content: BlobContent): Promise<void> {
  let offset = 0
  for await (const chunk of blob.stream()) {
    assert.equal(Buffer.compare(chunk, content.read({ offset, length: chunk.byteLength })), 0)
    offset += chunk.byteLength
  }
  assert.equal(offset, content.sizeBytes)
  await blob.close()
}
