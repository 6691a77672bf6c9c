import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { mediaTypes } from '../../src/core/descriptor.ts'
import { seededRandom } from '../../src/core/random.ts'
import { contentOf } from '../../src/testing/seeded-content.ts'
import { testImage } from '../../src/testing/test-image.ts'
import { FakeRegistry, type Visit } from '../origin/fake-registry.ts'
import { Stumbling } from '../origin/misbehaviours.ts'
import { contentsOf } from '../origin/pull.ts'
import { OriginClient } from './origin-client.ts'

const mib = 1024 * 1024
const image = testImage({ seed: 83, layerSizes: [2 * mib + 17, 5000] })
const manifest = contentOf(image.manifestBytes)
const [, content = assert.fail(), small = assert.fail()] = contentsOf(image)
const { digest } = content
const user = { authorization: `Basic ${Buffer.from('caller:canary').toString('base64')}` }

/** Sends the first byte of a body, and no other. */
function drip({ response }: Visit): void {
  response.writeHead(200, { 'content-type': mediaTypes.ociManifest, 'content-length': content.sizeBytes }).write('{')
}

/** Long enough for what is sent on this machine to be heard. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
}

/** The registry was asked for the blob, and what it answered is here. */
async function begun(registry: FakeRegistry): Promise<void> {
  while (registry.asked(digest).length === 0) await new Promise(setImmediate)
  await turns()
}

describe('a client of a mirror whose registry asks to be left alone', () => {
  for (const [what, retryAfter, waitMs] of [
    ['five seconds', '5', 5000],
    ['ten to the ninth seconds', '1000000000', 60_000],
  ] as const) {
    test(`O11: for ${what}: gets a blob ${waitMs / 1000} s later in the same answer, and one of a peer at once`, async () => {
      await using registry = await FakeRegistry.open()
      await using client = await OriginClient.withManifest(registry, image, { peerHas: [content] })
      registry.misbehave('/blobs/', ({ response, count, serve }) => {
        if (count > 1) return serve()
        response.writeHead(429, { 'retry-after': retryAfter }).end()
      })
      const untilMs = client.clock.monotonicMs() + waitMs
      const asked = client.getInTime(`blobs/${small.digest}`)
      while (!client.node.explain(small.digest).events.some(({ type }) => type === 'origin:waited')) await new Promise(setImmediate)
      await client.whole(await client.getInTime(`blobs/${digest}`), content)
      client.clock.advance(untilMs - 1 - client.clock.monotonicMs())
      await turns()
      assert.equal(registry.asked(small.digest).length, 1)
      client.clock.advance(1)
      await client.whole(await client.clock.skipping(asked), small)
    })
  }

  for (const [what, auth, headers] of [
    ['the mirror asks as itself', 'node', {}],
    ['the mirror asks in its name', 'passthrough', user],
  ] as const) {
    for (const path of ['manifests/v1', `manifests/${manifest.digest}`, 'tags/list']) {
      test(`O11: gets 502 for ${path.slice(0, 16)} at once, and within ten seconds while the wait lasts, when ${what}`, async () => {
        await using registry = await FakeRegistry.open()
        await using client = await OriginClient.open(registry, { auth })
        registry.misbehave('/v2/', ({ response }) => void response.writeHead(429, { 'retry-after': '60' }).end())
        await client.failed(await client.getInTime('manifests/v1', headers), 'ERR_ORIGIN_RATE')
        const again = client.getInTime(path, headers)
        await client.clock.reached(10_000)
        client.clock.advance(10_000)
        await client.failed(await again, 'ERR_ORIGIN_TIMEOUT')
        assert.equal(registry.seen.length, 1)
      })
    }
  }

  test('O11: never gets 429, however often the registry says it', async () => {
    await using registry = await FakeRegistry.open()
    await using client = await OriginClient.withManifest(registry, image, { nodeOnClock: true })
    registry.misbehave('/v2/', ({ response }) => void response.writeHead(429, { 'retry-after': 'soon; very=1' }).end())
    for (const path of ['manifests/v1', `blobs/${digest}`, 'tags/list']) await client.failed(await client.get(path), 'ERR_ORIGIN_RATE')
  })
})

describe('a client of a mirror whose registry fails', () => {
  for (const [auth, whose] of [['node', 'as itself'], ['passthrough', 'in its name']] as const) {
    test(`O12: three times in ten, drawn: gets all blobs whole, when the mirror asks ${whose}`, async () => {
      const layered = testImage({ seed: 84, layerSizes: [2 * mib, 2 * mib, 2 * mib, 2 * mib] })
      await using registry = await FakeRegistry.open()
      await using client = await OriginClient.withManifest(registry, layered, { auth })
      const stumbling = new Stumbling(seededRandom(12))
      registry.misbehave('/blobs/', stumbling.visit)
      for (const each of contentsOf(layered)) await client.whole(await client.blob(each), each)
      assert.ok(stumbling.failedCount > 0)
    })
  }

  for (const status of [500, 502, 503, 504]) {
    test(`O12: with ${status} for ever: gets 502 for a tag at once, and what a peer has`, async () => {
      await using registry = await FakeRegistry.open()
      await using client = await OriginClient.withManifest(registry, image, { peerHas: [content] })
      registry.misbehave('/v2/', ({ response }) => void response.writeHead(status).end('<html>'))
      await client.failed(await client.getInTime('manifests/v1'), 'ERR_ORIGIN_UNAVAILABLE')
      await client.whole(await client.getInTime(`blobs/${digest}`), content)
    })
  }

  for (const [auth, whose] of [['node', 'as itself'], ['passthrough', 'in its name']] as const) {
    test(`O12: for ever: gets 502 for a blob in the end, when the mirror asks ${whose}`, async () => {
      await using registry = await FakeRegistry.open()
      await using client = await OriginClient.withManifest(registry, image, { auth, nodeOnClock: true })
      registry.misbehave('/v2/', ({ response }) => void response.writeHead(503).end('<html>'))
      await client.failed(await client.blob(content), 'ERR_ORIGIN_UNAVAILABLE')
      assert.equal(await client.isStored(content), false)
    })
  }

  test('O25: at a byte a second: gets in the same answer what another server has', async () => {
    await using slow = await FakeRegistry.open()
    await using registry = await FakeRegistry.open()
    await using client = await OriginClient.withManifest(registry, image, { before: slow })
    slow.misbehave(digest, ({ response }) => {
      response.writeHead(200, { 'content-length': content.sizeBytes }).write(content.read({ offset: 0, length: 100 }))
    })
    const asked = client.getInTime(`blobs/${digest}`)
    await begun(slow)
    client.clock.advance(29_999)
    await turns()
    assert.equal(registry.asked(digest).length, 0)
    client.clock.advance(1)
    await client.whole(await client.clock.skipping(asked), content)
  })

  test('O25: at a byte a second: gets 502 for a tag after ten seconds, and for a blob that nobody else has', async () => {
    await using registry = await FakeRegistry.open()
    await using client = await OriginClient.withManifest(registry, image, { nodeOnClock: true })
    registry.misbehave('/v2/', drip)
    const tag = client.getInTime('manifests/v1')
    await client.clock.reached(10_000)
    client.clock.advance(10_000)
    await client.failed(await tag, 'ERR_ORIGIN_TIMEOUT')
    const beforeMs = client.clock.monotonicMs()
    const asked = client.getInTime(`blobs/${digest}`)
    await begun(registry)
    await client.failed(await client.clock.skipping(asked, 30_000), 'ERR_ORIGIN_TIMEOUT')
    assert.ok(client.clock.monotonicMs() - beforeMs >= 30_000)
    assert.equal(await client.isStored(content), false)
  })

  test('O28: from the first second: gets 502 for a tag at once, and the image when the registry is there', async () => {
    const gone = await FakeRegistry.open()
    await gone[Symbol.asyncDispose]()
    await using client = await OriginClient.open(gone)
    await client.failed(await client.getInTime('manifests/v1'), 'ERR_ORIGIN_UNAVAILABLE')
    await using registry = await FakeRegistry.open({ port: Number(gone.host.split(':')[1]) })
    registry.addImage(image, 'v1')
    await client.whole(await client.getInTime('manifests/v1'), manifest)
    await client.whole(await client.blob(content), content)
  })

  test('O28: for twenty seconds after the manifest: gets a blob of it in the same answer', async () => {
    const before = await FakeRegistry.open()
    await using client = await OriginClient.withManifest(before, image, { nodeOnClock: true })
    await before[Symbol.asyncDispose]()
    const asked = client.getInTime(`blobs/${digest}`)
    const back = Promise.withResolvers<FakeRegistry>()
    client.clock.after(20_000, () => void FakeRegistry.open({ port: Number(before.host.split(':')[1]) }).then(back.resolve, back.reject))
    const isBack = back.promise.then((registry) => registry.addImage(image, 'v1'))
    const answer = await client.clock.skipping(asked)
    await isBack
    await using registry = await back.promise
    await client.whole(answer, content)
    assert.ok(registry.asked(digest).length > 0)
  })
})

describe('a client of a mirror whose registry takes back a blob', () => {
  for (const status of [401, 403, 404]) {
    test(`O26: with ${status}: gets from a mirror that asks as itself what a peer has, and otherwise 404, so that it tries the registry`, async () => {
      await using registry = await FakeRegistry.open()
      await using client = await OriginClient.withManifest(registry, image, { peerHas: [content] })
      registry.misbehave('/blobs/', ({ response }) => void response.writeHead(status, { 'www-authenticate': 'Basic realm="x"' }).end())
      await client.whole(await client.blob(content), content)
      await client.refused(await client.blob(small), 404, 'BLOB_UNKNOWN')
      assert.equal(await client.isStored(small), false)
    })
  }

  test('O26: with 403: gets in a closed network what a peer has, also once the registry has said no', async () => {
    await using registry = await FakeRegistry.open()
    await using client = await OriginClient.withManifest(registry, image, { peerHas: [content], network: { key: '5c'.repeat(32) } })
    registry.misbehave('/blobs/', ({ response }) => void response.writeHead(403).end())
    await client.refused(await client.blob(small), 404, 'BLOB_UNKNOWN')
    await client.whole(await client.blob(content), content)
  })

  for (const [status, code, challenge] of [
    [401, 'UNAUTHORIZED', 'Basic realm="x"'],
    [403, 'DENIED', null],
    [404, 'BLOB_UNKNOWN', null],
  ] as const) {
    test(`O26: with ${status}: gets ${status} from a mirror that asks in its name, also for what is here`, async () => {
      await using registry = await FakeRegistry.open()
      registry.addImage(image, 'v1')
      await using client = await OriginClient.open(registry, { auth: 'passthrough' })
      await client.whole(await client.get('manifests/v1', user), manifest)
      await client.whole(await client.blob(small), small)
      registry.misbehave('/blobs/', ({ response }) => void response.writeHead(status, { 'www-authenticate': 'Basic realm="x"' }).end())
      for (const each of [content, small]) {
        const answer = await client.blob(each, user)
        assert.equal(answer.headers.get('www-authenticate'), challenge)
        await client.refused(answer, status, code)
      }
      assert.equal(await client.isStored(content), false)
    })
  }

  test('O26: with 403: is the last who got it; peers get nothing of that repository any more', async () => {
    await using registry = await FakeRegistry.open()
    await using client = await OriginClient.withManifest(registry, image, { peerHas: [] })
    await client.whole(await client.blob(content), content)
    registry.misbehave('/v2/', ({ response }) => void response.writeHead(403).end())
    await client.refused(await client.get('manifests/v1'), 404, 'MANIFEST_UNKNOWN')
    await assert.rejects(client.peer.fetchLayer({ digest, size: content.sizeBytes }), { code: 'ERR_SWARM_NO_SOURCE' })
  })
})
