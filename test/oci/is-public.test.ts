import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { registryOrigin } from '../../src/oci/registry-origin.ts'
import type { EmbeddedOrigin, EmbeddedOriginOptions } from '../../src/testing/embedded-origin.ts'
import { testImage } from '../../src/testing/test-image.ts'
import { bytesOf, Harness } from './harness.ts'

const image = testImage({ seed: 1, layerSizes: [100_000] })
const auth = { scheme: 'bearer', username: 'alice', password: 'opensesame', publicRepositories: ['open'] } as const

async function withOrigin(
  options: EmbeddedOriginOptions,
  run: (origin: EmbeddedOrigin, isPublic: (repository: string, kind?: 'blob' | 'manifest') => Promise<boolean | undefined>) => Promise<void>,
): Promise<void> {
  await using harness = new Harness()
  const origin = await harness.origin(options)
  for (const repository of ['open', 'closed']) image.addTo(origin, repository, 'v1')
  const registries = harness.registries([origin], { credentials: { [origin.host]: { username: 'alice', password: 'opensesame' } } })
  const isPublic = async (repository: string, kind: 'blob' | 'manifest' = 'blob'): Promise<boolean | undefined> => {
    const digest = kind === 'blob' ? image.layers[0]?.digest : image.manifest.digest
    const here = registryOrigin({ reference: `${origin.host}/${repository}`, digest, kind, registries })
    // Let in by a password before: that must not open the door to nobody.
    await bytesOf(here.read(undefined))
    return here.isPublic?.()
  }
  await run(origin, isPublic)
}

describe('Origin.isPublic of a registry', () => {
  test.each(['basic', 'bearer'] as const)('tells what anybody gets from what credentials open (%s)', async (scheme) => {
    await withOrigin({ auth: { ...auth, scheme } }, async (origin, isPublic) => {
      assert.deepEqual([await isPublic('open'), await isPublic('open', 'manifest')], [true, true])
      const before = origin.seen().length
      assert.deepEqual([await isPublic('closed'), await isPublic('closed', 'manifest')], [false, false])
      const asNobody = origin.seen().slice(before).filter(({ headers }) => headers['range'] === 'bytes=0-0')
      assert.ok(asNobody.length >= 2)
      for (const { headers } of asNobody) assert.doesNotMatch(String(headers['authorization']), /Basic/)
    })
  })

  test.each([
    [401, false],
    [403, false],
    [404, false],
    [429, undefined],
    [500, undefined],
    [503, undefined],
  ])('status %d means %s, after one request', async (status, expected) => {
    await withOrigin({}, async (origin, isPublic) => {
      await isPublic('open')
      origin.fault('/blobs/', { times: 1 })
      origin.fault('/blobs/', { status })
      const before = origin.requests().total
      assert.equal(await isPublic('open'), expected)
      assert.equal(origin.requests().total - before, 2)
    })
  })

  test('a registry that is gone does not say', async () => {
    await withOrigin({ auth }, async (origin, isPublic) => {
      assert.equal(await isPublic('open'), true)
      const { digest } = image.manifest
      await using harness = new Harness()
      const lone = registryOrigin({ reference: `${origin.host}/open`, digest, registries: harness.registries([origin]) })
      await origin.close()
      assert.equal(await lone.isPublic?.(), undefined)
    })
  })
})
