import { LruMap } from '../../src/core/lru-map.ts'
import { contentOf, seededContent, type BlobContent } from '../../src/testing/seeded-content.ts'

const made = new LruMap<string, BlobContent>(64)

/** Seeded content whose bytes and digest are made once for many runs. Nobody may write into what it gives. */
export function sharedContent(seed: number, sizeBytes: number): BlobContent {
  const key = `${seed} ${sizeBytes}`
  const known = made.get(key)
  if (known) return known
  const content = contentOf(seededContent(seed, sizeBytes).read({ offset: 0, length: sizeBytes }))
  made.set(key, content)
  return content
}
