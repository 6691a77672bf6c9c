import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { pieceLayout } from '../../src/core/piece-layout.ts'
import { fsBackend } from '../../src/store/fs-backend.ts'
import { PieceStore } from '../../src/store/piece-store.ts'
import type { StoredBlob } from '../../src/swarm/stored-blob.ts'
import type { Swarm } from '../../src/swarm/swarm.ts'
import { embeddedOrigin, type EmbeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { TestNodes } from '../support/nodes.ts'

const kib = 1024
const mib = 1024 * kib

/** Sizes at a piece boundary of blobs of one and of many pieces, and a few bytes to either side. */
const sizes = fc
  .tuple(fc.constantFrom(0, 1, 256 * kib, mib, mib + 256 * kib, 2 * mib, 5 * mib), fc.integer({ min: -2, max: 2 }))
  .map(([size, off]) => Math.max(0, size + off))

describe('blobs of any size', () => {
  let origin: EmbeddedOrigin
  let nodes: TestNodes
  let first: Swarm
  let second: Swarm
  let directory = ''

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'damselfly-sizes-'))
    origin = await embeddedOrigin()
    nodes = new TestNodes()
    const open = async (name: string): Promise<PieceStore> =>
      nodes.use(await PieceStore.open(fsBackend(join(directory, name))))
    first = await nodes.start([], { origins: [origin], store: await open('first') })
    second = await nodes.start([first], { origins: [origin], store: await open('second') })
  })
  afterAll(async () => {
    await nodes[Symbol.asyncDispose]()
    await origin.close()
    await rm(directory, { recursive: true, force: true })
  })

  /** From the origin to the first node, from that to the second; both hash to the digest by Node's own sha256. */
  async function carry(seed: number, sizeBytes: number): Promise<void> {
    const content = seededContent(seed, sizeBytes)
    origin.addBlob(content)
    const layer = { digest: content.digest, size: sizeBytes }
    await using source = await first.fetchLayer({ ...layer, origin: first.resolver.blobOrigin(`${origin.host}/t`, layer.digest) })
    await using copy = await second.fetchLayer(layer)
    for (const blob of [source, copy]) assert.deepEqual(await hashOf(blob), [content.digest, sizeBytes])
    assert.equal(copy.stats.bytes.peers, copy.stats.bytes.stored > 0 ? 0 : sizeBytes)
  }

  test('on and around piece boundaries', async () => {
    await fc.assert(fc.asyncProperty(fc.nat(1000), sizes, carry), { numRuns: 40, seed: 20 })
  })

  test('of 300 MiB and a byte', async () => {
    assert.equal(pieceLayout(300 * mib + 1).pieceLength, 512 * kib)
    await carry(1, 300 * mib + 1)
  })
})

async function hashOf(blob: StoredBlob): Promise<[string, number]> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  for await (const chunk of blob.stream()) {
    hash.update(chunk)
    sizeBytes += chunk.byteLength
  }
  return [`sha256:${hash.digest('hex')}`, sizeBytes]
}
