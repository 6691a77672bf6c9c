import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import type { Digest } from '../../src/core/digest.ts'
import type { BlobFetcher } from '../../src/swarm/blob-fetcher.ts'
import type { ImageFetcher } from '../../src/swarm/image-fetcher.ts'
import type { TopicTable } from '../../src/swarm/topic-table.ts'
import { Seeding, type SeedHandle } from '../../src/swarm/seeding.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { scriptedNode, type ScriptedNode } from '../support/scripted-link.ts'

const content = seededContent(1, 1000)
const { digest } = content

async function* bytes(): AsyncGenerator<Uint8Array> {
  yield content.read({ offset: 0, length: 1000 })
}

/** Seeding over links that only remember which topics they gather around. */
function seedingOf(node: ScriptedNode): { topics: Set<Digest>; seed: () => Promise<SeedHandle> } {
  const topics = new Set<Digest>()
  const table: Partial<TopicTable> = {
    enter: (topic) => void topics.add(topic),
    leave: async (topic) => void topics.delete(topic),
  }
  const seeding = new Seeding(node.context, table as TopicTable, {} as BlobFetcher, {} as ImageFetcher)
  const blob = { digest, size: 1000, mediaType: 'x/y' }
  return { topics, seed: () => seeding.seed({ blob, bytes: bytes() }, {}) }
}

describe('Seeding', () => {
  test('a topic is left with the last handle of it, however often each is closed', async () => {
    await using node = await scriptedNode()
    const { topics, seed } = seedingOf(node)
    const [one, two] = [await seed(), await seed()]
    await one.close()
    await one.close()
    assert.deepEqual([...topics], [digest])
    await two.close()
    assert.deepEqual([...topics], [])
  })

  test.each([
    ['outside a closed network nobody is told of a private blob', false, []],
    ['inside one, members are', true, [digest]],
  ])('%s', async (_, closedNetwork, told) => {
    await using node = await scriptedNode({ closedNetwork })
    await node.store.import({ digest, size: 1000, mediaType: 'x/y' }, bytes(), { private: true })
    const { topics, seed } = seedingOf(node)
    const handle = await seed()
    assert.deepEqual([...topics], told)
    await handle.close()
  })
})
