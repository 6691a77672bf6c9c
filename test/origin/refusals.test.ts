import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { seededRandom } from '../../src/core/random.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { testImage } from '../../src/testing/test-image.ts'
import { FakeRegistry } from './fake-registry.ts'
import { Stumbling } from './misbehaviours.ts'
import { contentsOf, Pull } from './pull.ts'

const mib = 1024 * 1024
const content = seededContent(31, 2 * mib + 17)
const { digest, sizeBytes } = content
const image = testImage({ seed: 31, layerSizes: [5000, 2 * mib] })
const layer = image.layers[1] ?? image.config

async function bytesOf(pull: Pull, registry: FakeRegistry): Promise<Buffer> {
  const origin = pull.node.resolver.blobOrigin(`${registry.host}/team/app`, digest, sizeBytes)
  const chunks: Uint8Array[] = []
  for await (const chunk of (await origin.read(undefined)).chunks) chunks.push(chunk)
  return Buffer.concat(chunks)
}

describe('an origin that refuses', () => {
  for (const [what, retryAfter, waitMs] of [
    ['five seconds', '5', 5000],
    // The clock of a row begins a second after the year.
    ['a date', new Date(Date.UTC(2026, 0, 1) + 9000).toUTCString(), 8000],
    ['ten to the ninth seconds', '1000000000', 60_000],
    ['ten to the thirtieth seconds', `1${'0'.repeat(30)}`, 60_000],
    ['a date in the year 9999', 'Fri, 31 Dec 9999 23:59:59 GMT', 60_000],
  ] as const) {
    test(`O11: a Retry-After of ${what} holds back all sessions for ${waitMs / 1000} s, and peers go on meanwhile`, async () => {
      const [small, other, held] = [seededContent(32, 1000), seededContent(33, 1000), seededContent(34, mib)]
      await using registry = await FakeRegistry.open()
      for (const each of [small, other]) registry.addBlob(each)
      registry.misbehave('/blobs/', ({ response, count, serve }) => {
        if (count > 1) return serve()
        response.writeHead(429, { 'retry-after': retryAfter }).end()
      })
      await using pull = await Pull.open([registry], [small, other, held], { peerHas: [held] })
      const first = pull.layerInTime(registry, small)
      const waits = (): boolean => pull.node.explain(small.digest).events.some(({ type }) => type === 'origin:waited')
      while (!waits()) await new Promise(setImmediate)
      const second = pull.layerInTime(registry, other)
      await pull.exact(await pull.layerInTime(registry, held), held)
      for (const stepMs of [1000, waitMs - 1001]) {
        pull.clock.advance(stepMs)
        for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
        assert.equal(registry.seen.length, 1)
      }
      pull.clock.advance(1)
      await pull.exact(await pull.clock.skipping(first), small)
      await pull.exact(await pull.clock.skipping(second), other)
      await pull.innocent()
    })
  }

  test('O11: a Retry-After of garbage is none, and refusals without end are an error of that kind', async () => {
    await using registry = await FakeRegistry.open()
    registry.misbehave('/blobs/', ({ response }) => void response.writeHead(429, { 'retry-after': 'soon; very=1' }).end())
    await using pull = await Pull.open([registry], [content])
    const failure = await pull.fails(pull.layer(registry, content), 'ERR_ORIGIN_RATE')
    assert.equal(failure.status, 429)
    assert.equal(failure.retryAfterMs, undefined)
    assert.equal(await pull.isStored(content), false)
    await pull.innocent()
  })

  test('O12: three failures in ten, drawn, cost tries and no pull', async () => {
    const contents = [1, 2, 3, 4].map((seed) => seededContent(40 + seed, 2 * mib))
    await using registry = await FakeRegistry.open()
    for (const each of contents) registry.addBlob(each)
    const stumbling = new Stumbling(seededRandom(12))
    registry.misbehave('/blobs/', stumbling.visit)
    await using pull = await Pull.open([registry], contents)
    for (const each of contents) await pull.exact(await pull.layer(registry, each), each)
    assert.ok(stumbling.failedCount > 0)
    await pull.innocent()
  })

  test('O12: failures without end are given up after five tries, and after ten the host is left alone for ten seconds', async () => {
    await using registry = await FakeRegistry.open()
    registry.misbehave('/blobs/', ({ response }) => void response.writeHead(503).end())
    await using pull = await Pull.open([registry], [content])
    const waits: number[] = []
    let before = pull.clock.monotonicMs()
    registry.misbehave('/blobs/', ({ response }) => {
      waits.push(pull.clock.monotonicMs() - before)
      before = pull.clock.monotonicMs()
      response.writeHead(503).end()
    })
    for (const asked of [5, 10]) {
      await pull.fails(pull.clock.skipping(bytesOf(pull, registry)), 'ERR_ORIGIN_UNAVAILABLE')
      assert.equal(registry.seen.length, asked)
    }
    for (const [index, backoffMs] of [250, 500, 1000, 2000].entries()) {
      const waitedMs = waits[index + 1] ?? 0
      assert.ok(waitedMs >= backoffMs / 2 && waitedMs <= backoffMs, `${waitedMs} ms before try ${index + 2}`)
    }
    await pull.fails(pull.clock.skipping(bytesOf(pull, registry)), 'ERR_ORIGIN_UNAVAILABLE')
    assert.equal(registry.seen.length, 10, 'the breaker is open')
    pull.clock.advance(10_000)
    registry.misbehave('/blobs/', ({ serve }) => serve(content))
    assert.equal((await pull.clock.skipping(bytesOf(pull, registry))).byteLength, sizeBytes)
    await pull.innocent()
  })

  test('O26: a repository that the registry takes back is not shared any more', async () => {
    const held = image.content(layer.digest)
    assert.ok(held)
    await using registry = await FakeRegistry.open()
    registry.addImage(image, 'v1')
    await using pull = await Pull.open([registry], contentsOf(image))
    await pull.image(registry)
    registry.misbehave('/v2/', ({ response }) => void response.writeHead(403).end())
    await pull.fails(pull.image(registry), 'ERR_ORIGIN_DENIED')
    await assert.rejects(pull.peer.fetchLayer({ digest: held.digest, size: held.sizeBytes }), { code: 'ERR_SWARM_NO_SOURCE' })
    await pull.innocent()
  })

  for (const [status, code] of [
    [404, 'ERR_ORIGIN_NOT_FOUND'],
    [403, 'ERR_ORIGIN_DENIED'],
  ] as const) {
    test(`O26: a blob that is answered with ${status} after its manifest was given is ${code}`, async () => {
      await using registry = await FakeRegistry.open()
      registry.addImage(image, 'v1')
      registry.misbehave(layer.digest, ({ response }) => void response.writeHead(status).end())
      const contents = contentsOf(image)
      await using pull = await Pull.open([registry], contents)
      const failure = await pull.fails(pull.image(registry), code)
      assert.equal(failure.status, status)
      assert.equal(failure.retryable, false)
      assert.equal(await pull.node.store.stat(layer.digest), undefined)
      // Of two runs that were read at once, each is told; neither asks again.
      assert.ok(registry.asked(layer.digest).length <= 2)
      await pull.innocent()
    })

    test(`O26: a blob that is answered with ${status} comes from a peer that has it`, async () => {
      const held = image.content(layer.digest)
      await using registry = await FakeRegistry.open()
      registry.addImage(image, 'v1')
      registry.misbehave(layer.digest, ({ response }) => void response.writeHead(status).end())
      await using pull = await Pull.open([registry], contentsOf(image), { peerHas: held ? [held] : [] })
      await pull.image(registry)
      for (const each of contentsOf(image)) assert.equal(await pull.isStored(each), true)
      await pull.innocent()
    })
  }

  test('O28: one that is down from the first second and back after twenty is waited for', async () => {
    await using gone = await FakeRegistry.open()
    const { host } = gone
    await gone[Symbol.asyncDispose]()
    await using pull = await Pull.open([gone], [content], { nodeOnClock: true })
    const started = pull.layerInTime({ host }, content)
    const back = new Promise<FakeRegistry>((resolve, reject) => {
      pull.clock.after(20_000, () => void FakeRegistry.open({ port: Number(host.split(':')[1]) }).then(resolve, reject))
    })
    const registryIsBack = back.then((registry) => registry.addBlob(content))
    const blob = await pull.clock.skipping(started)
    await registryIsBack
    await using registry = await back
    await pull.exact(blob, content)
    assert.ok(registry.asked(digest).length > 0)
    assert.ok(pull.clock.monotonicMs() < 60_000, `it took ${pull.clock.monotonicMs()} ms`)
  })

  test('O28: one that is not back in time ends with the reason of the caller', async () => {
    await using gone = await FakeRegistry.open()
    await gone[Symbol.asyncDispose]()
    await using pull = await Pull.open([gone], [content], { nodeOnClock: true })
    const origin = pull.node.resolver.blobOrigin(`${gone.host}/team/app`, digest, sizeBytes)
    const deadline = new AbortController()
    const reason = new RangeError('too late')
    pull.clock.after(5000, () => deadline.abort(reason))
    const started = pull.node.fetchLayer({ digest, size: sizeBytes, origin }, { signal: deadline.signal })
    await assert.rejects(pull.clock.skipping(started), (error) => error === reason)
    assert.equal(await pull.isStored(content), false)
  })
})

