import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'vitest'
import { embeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { testImage } from '../../src/testing/test-image.ts'
import { eventOf, TestNodes } from '../support/nodes.ts'
import type { BlobEvent } from '../../src/swarm/swarm-events.ts'

const mib = 1024 * 1024
const auth = { scheme: 'basic', username: 'alice', password: 'opensesame' } as const
const credentialsFor = (host: string): Record<string, { username: string; password: string }> => ({
  [host]: { username: 'alice', password: auth.password },
})

describe('private blobs', () => {
  test('are withheld in an open network, by digest too', async () => {
    await using origin = await embeddedOrigin({ auth })
    await using nodes = new TestNodes()
    const image = testImage({ seed: 1, layerSizes: [2 * mib, 100] })
    image.addTo(origin, 'team/app', 'v1')
    const owner = await nodes.start([], { origins: [origin], credentials: credentialsFor(origin.host) })
    const withheld = eventOf<BlobEvent>(owner, 'sharing:withheld')
    await owner.fetchImage(`${origin.host}/team/app:v1`)
    await withheld
    const stranger = await nodes.start([owner], { origins: [origin] })
    for (const blob of [image.manifest, image.config, ...image.layers]) {
      await assert.rejects(stranger.fetchLayer({ digest: blob.digest, size: blob.size }), { code: 'ERR_SWARM_NO_SOURCE' })
    }
    assert.equal(owner.stats().bytes.served, 0)
  })

  test('are shared inside a closed network, and stay private there', async () => {
    await using origin = await embeddedOrigin({ auth })
    await using nodes = new TestNodes()
    const network = { key: randomBytes(32) }
    const image = testImage({ seed: 2, layerSizes: [2 * mib, 100] })
    image.addTo(origin, 'team/app', 'v1')
    const first = await nodes.start([], { origins: [origin], credentials: credentialsFor(origin.host), network })
    await first.fetchImage(`${origin.host}/team/app:v1`)
    const second = await nodes.start([first], { origins: [origin], network })
    const [layer] = image.layers
    assert.ok(layer)
    const blob = await second.fetchLayer({ digest: layer.digest, size: layer.size })
    assert.equal(blob.private, true)
    assert.equal(blob.stats.bytes.peers, layer.size)
  })

  test('of a closed network are not reached without the key', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const image = testImage({ seed: 3, layerSizes: [2 * mib] })
    image.addTo(origin, 'team/app', 'v1')
    const member = await nodes.start([], { origins: [origin], network: { key: randomBytes(32) } })
    await member.fetchImage(`${origin.host}/team/app:v1`)
    for (const options of [{}, { network: { key: randomBytes(32) } }]) {
      const outsider = await nodes.start([member], options)
      const [layer] = image.layers
      assert.ok(layer)
      await assert.rejects(outsider.fetchLayer({ digest: layer.digest, size: layer.size }), { code: 'ERR_SWARM_NO_SOURCE' })
      assert.deepEqual(outsider.stats().links, [])
    }
    assert.deepEqual(member.stats().links, [])
  })
})
