import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import type { Origin } from '../../src/core/origin.ts'
import { httpOrigin } from '../../src/oci/http-origin.ts'
import { ManifestResolver } from '../../src/oci/manifest-resolver.ts'
import type { Registries } from '../../src/oci/registries.ts'
import { registryOrigin } from '../../src/oci/registry-origin.ts'
import type { EmbeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { testImage } from '../../src/testing/test-image.ts'
import { bytesOf, Harness } from './harness.ts'

const kib = 1024
const image = testImage({ seed: 1, layerSizes: [300 * kib] })
const [layer] = image.layers
const digest = layer?.digest ?? image.config.digest
const range = { offset: 0, length: 10 }
const bearer = { auth: { scheme: 'bearer', username: 'user', password: 'canary', publicRepositories: ['app'] } } as const

let harness: Harness
let origin: EmbeddedOrigin
let registries: Registries
beforeEach(async () => {
  harness = new Harness()
  origin = await start()
})
afterEach(async () => {
  await harness[Symbol.asyncDispose]()
  assert.equal(harness.clock.timerCount, 0)
})

/** A registry with the image, which {@link registries} may use. */
async function start(options: Parameters<Harness['origin']>[0] = {}): Promise<EmbeddedOrigin> {
  const started = await harness.origin(options)
  image.addTo(started, 'app', 'v1')
  registries = harness.registries([started])
  return started
}

/** The layer, each time as a new origin. */
function layerOrigin(more: { repository?: string } = {}): Origin {
  return registryOrigin({ reference: `${origin.host}/${more.repository ?? 'app'}`, digest, registries })
}

function manifestOrigin(): Origin {
  return registryOrigin({ reference: `${origin.host}/app`, digest: image.manifest.digest, kind: 'manifest', registries })
}

function webOrigin(shared?: Registries): Origin {
  return httpOrigin(`${origin.url}/v2/any/blobs/${digest}`, { clock: harness.clock, registries: shared })
}

/** Reads its first bytes, jumping over all waits, and notes those that it tells of. */
async function readStart(from: Origin, waits: number[]): Promise<Uint8Array> {
  const body = from.read(range, { onWait: (ms) => void waits.push(ms) })
  return new Uint8Array(await harness.clock.skipping(bytesOf(body)))
}

/** Lets sockets do what they can while the clock stands still. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
}

async function untilAsked(times: number): Promise<void> {
  while (origin.seen().length < times) await new Promise(setImmediate)
  await settle()
}

function expectStart(bytes: Uint8Array): void {
  assert.deepEqual(new Uint8Array(bytes), image.content(digest)?.read(range))
}

describe('one door to a host', () => {
  test('for all origins that share registries, web origins among them', async () => {
    origin.fault('/blobs/', { bytesPerSecond: 100 * kib })
    const origins = Array.from({ length: 12 }, (_, index) => (index % 2 === 0 ? layerOrigin({ repository: `app${index}` }) : webOrigin(registries)))
    const bodies = origins.map((one) => bytesOf(one.read(undefined)))
    while (origin.requests().total < 8) await new Promise(setImmediate)
    await settle()
    assert.equal(origin.requests().total, 8)
    assert.deepEqual(registries.hostGates.hosts(), [origin.host])
    for (const bytes of await harness.clock.skipping(Promise.all(bodies))) assert.equal(digestOf(bytes), digest)
    assert.equal(origin.requests().total, 12)
    assert.deepEqual(registries.hostGates.hosts(), [])
  })

  test('for a registry and one whose mirror it is', async () => {
    const other = await harness.origin()
    registries = harness.registries([origin, other], { registries: { [other.host]: { mirrors: [origin.url] } } })
    registries.hostGates.holdOff(origin.host, 7000)
    const body = bytesOf(registryOrigin({ reference: `${other.host}/app`, digest, registries }).read(range))
    await settle()
    assert.equal(origin.requests().total, 0)
    harness.clock.advance(7000)
    expectStart(await body)
    assert.equal(other.requests().total, 0)
  })

  test('for its token service too: what that asks holds all requests back', async () => {
    origin = await start(bearer)
    origin.fault('/token', { status: 429, headers: { 'retry-after': '9' }, times: 1 })
    const told: unknown[] = []
    registries.hostGates.onHoldOff((...news) => void told.push(news))
    const body = bytesOf(layerOrigin().read(range))
    await untilAsked(2)
    assert.deepEqual(told, [[origin.host, 9000]])
    const web = bytesOf(webOrigin(registries).read(range)).catch(() => 'refused')
    harness.clock.advance(8999)
    await settle()
    assert.equal(origin.requests().total, 2)
    harness.clock.advance(1)
    expectStart(await body)
    await web
    assert.equal(origin.requests().tokens, 1)
  })

  test('for its token service too, with eight readers that all want a token and no more room', async () => {
    origin = await start(bearer)
    const bodies = Array.from({ length: 10 }, () => bytesOf(layerOrigin().read(range)))
    for (const bytes of await Promise.all(bodies)) expectStart(bytes)
    assert.equal(origin.requests().tokens, 1)
  })

  test('a token is not asked for, and not tried, while the host wants to be left alone', async () => {
    origin = await start(bearer)
    origin.fault('/blobs/', { delayMs: 1000, times: 1 })
    origin.fault('/token', { delayMs: 1000, times: 1 })
    const { hostGates } = registries
    const body = bytesOf(layerOrigin().read(range))
    await harness.clock.reached(1000)
    hostGates.holdOff(origin.host, 5000)
    harness.clock.advance(1000)
    await untilAsked(1)
    assert.equal(origin.requests().total, 1)
    harness.clock.advance(4000)
    await harness.clock.reached(1000)
    hostGates.holdOff(origin.host, 7000)
    harness.clock.advance(6999)
    await untilAsked(2)
    assert.equal(origin.requests().total, 2)
    harness.clock.advance(1)
    expectStart(await body)
    assert.deepEqual(origin.seen().map(({ status }) => status), [401, 200, 206])
  })

  test('of web origins that share nothing is one for each', async () => {
    registries.hostGates.holdOff(origin.host, 7000)
    expectStart(await bytesOf(webOrigin().read(range)))
  })
})

describe('what a host asks', () => {
  test('is told to who listens, once, and no more after that', async () => {
    const told: unknown[] = []
    const stop = registries.hostGates.onHoldOff((...news) => void told.push(news))
    origin.fault('/v2/', { status: 429, headers: { 'retry-after': '5' }, times: 4 })
    const bodies = Array.from({ length: 4 }, () => bytesOf(layerOrigin().read(range)))
    for (const bytes of await harness.clock.skipping(Promise.all(bodies))) expectStart(bytes)
    assert.deepEqual(told, [[origin.host, 5000]])
    stop()
    origin.fault('/v2/', { status: 503, headers: { 'retry-after': '5' }, times: 1 })
    await harness.clock.skipping(bytesOf(layerOrigin().read(range)))
    assert.equal(told.length, 1)
  })

  test('is heard from a web origin that shares the registries', async () => {
    const told: unknown[] = []
    registries.hostGates.onHoldOff((...news) => void told.push(news))
    origin.fault('/v2/', { status: 429, headers: { 'retry-after': '5' }, times: 1 })
    expectStart(await harness.clock.skipping(bytesOf(webOrigin(registries).read(range))))
    assert.deepEqual(told, [[origin.host, 5000]])
  })

  for (const [what, headers] of [
    ['in the old headers', { 'ratelimit-limit': '100', 'ratelimit-remaining': '0', 'ratelimit-reset': '30' }],
    ['in the new one', { ratelimit: '"default";r=0;t=30' }],
  ] as const) {
    test(`with its last answer for a while, ${what}, holds the next request back, and not the answer`, async () => {
      origin.fault('/v2/', { headers, times: 1 })
      expectStart(await bytesOf(layerOrigin().read(range)))
      const second = bytesOf(layerOrigin().read(range))
      harness.clock.advance(29_999)
      await settle()
      assert.equal(origin.requests().total, 1)
      harness.clock.advance(1)
      expectStart(await second)
    })
  }

  for (const [what, make] of [
    ['it', layerOrigin],
    ['a web origin', () => webOrigin(registries)],
  ] as const) {
    test(`where ${what} sends us elsewhere holds for itself`, async () => {
      const cdn = await harness.origin()
      image.addTo(cdn, 'app', 'v1')
      origin.fault('/blobs/', { redirectTo: `${cdn.url}/v2/app/blobs/${digest}`, headers: { ratelimit: '"default";r=0;t=30' }, times: 1 })
      expectStart(await bytesOf(make().read(range)))
      assert.equal(cdn.requests().blobs, 1)
      const second = bytesOf(make().read(range))
      harness.clock.advance(29_999)
      await settle()
      assert.equal(origin.requests().total, 1)
      harness.clock.advance(1)
      expectStart(await second)
    })
  }

  test('Docker Hub is not left alone for six hours because of its last answer', async () => {
    origin.fault('/v2/', { headers: { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '0;w=21600' }, times: 1 })
    expectStart(await bytesOf(layerOrigin().read(range)))
    expectStart(await bytesOf(layerOrigin().read(range)))
  })

  test('Docker Hub is left alone for a minute when it refuses', async () => {
    origin.fault('/v2/', { status: 429, headers: { 'ratelimit-remaining': '0;w=21600' }, times: 1 })
    const body = bytesOf(layerOrigin().read(range))
    await untilAsked(1)
    harness.clock.advance(59_999)
    await settle()
    assert.equal(origin.requests().total, 1)
    harness.clock.advance(1)
    expectStart(await body)
  })

  test('of nobody does not hold back a user, who is let in at once', async () => {
    const auth = { username: 'user', password: 'canary' }
    origin = await start({ auth: { scheme: 'bearer', ...auth, publicRepositories: ['app'] } })
    registries = harness.registries([origin], { credentials: { [origin.host]: auth } })
    expectStart(await bytesOf(layerOrigin().read(range)))
    origin.fault('/blobs/', { status: 429, headers: { 'retry-after': '9' }, times: 1 })
    expectStart(await bytesOf(layerOrigin().read(range)))
    assert.deepEqual(registries.hostGates.hosts(), [])
  })

  test('of others holds the requests of this node back, and is not told on', async () => {
    const told: unknown[] = []
    registries.hostGates.onHoldOff((...news) => void told.push(news))
    registries.hostGates.holdOff(origin.host, 9000)
    const body = bytesOf(layerOrigin().read(range))
    harness.clock.advance(8999)
    await settle()
    assert.equal(origin.requests().total, 0)
    harness.clock.advance(1)
    expectStart(await body)
    assert.deepEqual(told, [])
  })
})

describe('Origin.read', () => {
  const kinds: [what: string, make: () => Origin, expected: Uint8Array | undefined][] = [
    ['of a blob', layerOrigin, image.content(digest)?.read(range)],
    ['of a manifest', manifestOrigin, image.manifestBytes.subarray(0, range.length)],
    ['of a web origin', () => webOrigin(registries), image.content(digest)?.read(range)],
  ]
  for (const [what, make, expected] of kinds) {
    test(`${what} says whom it asks`, () => {
      assert.deepEqual(make().hosts, [origin.host])
    })

    for (const status of [429, 503]) {
      test(`${what} tells how long its host holds it back, once (${status})`, async () => {
        origin.fault('/v2/', { status, headers: { 'retry-after': '9' }, times: 1 })
        const waits: number[] = []
        assert.deepEqual(await readStart(make(), waits), expected)
        assert.deepEqual(waits, [9000])
      })
    }

    test(`${what} tells that others hold it back, and when they do so for longer`, async () => {
      const waits: number[] = []
      registries.hostGates.holdOff(origin.host, 4000)
      const body = bytesOf(make().read(range, { onWait: (ms: number) => void waits.push(ms) }))
      await settle()
      harness.clock.advance(1000)
      registries.hostGates.holdOff(origin.host, 2000)
      registries.hostGates.holdOff(origin.host, 8000)
      harness.clock.advance(8000)
      assert.deepEqual(new Uint8Array(await body), expected)
      assert.deepEqual(waits, [4000, 8000])
    })

    test(`${what} tells of no wait that nobody asked for`, async () => {
      origin.fault('/v2/', { status: 502, times: 1 })
      origin.fault('/v2/', { cutAfterBytes: 3, times: 1 })
      const waits: number[] = []
      assert.deepEqual(await readStart(make(), waits), expected)
      assert.deepEqual(waits, [])
    })

    test(`${what} tells of the pause after a refusal that does not say for how long`, async () => {
      origin.fault('/v2/', { status: 429, times: 1 })
      const waits: number[] = []
      assert.deepEqual(await readStart(make(), waits), expected)
      assert.equal(waits.length, 1)
      assert.ok((waits[0] ?? 0) >= 125 && (waits[0] ?? 0) <= 250)
    })

    test(`${what} that is aborted while its host holds it back rejects with the reason`, async () => {
      registries.hostGates.holdOff(origin.host, 9000)
      const controller = new AbortController()
      const rejected = assert.rejects(bytesOf(make().read(range, { signal: controller.signal })), /enough/)
      await settle()
      controller.abort(new Error('enough'))
      await rejected
      assert.equal(origin.requests().total, 0)
    })
  }

  test('tells while its body is resumed', async () => {
    const waits: number[] = []
    origin.fault('/v2/', { cutAfterBytes: 100 * kib, times: 1 })
    const body = await layerOrigin().read(undefined, { onWait: (ms: number) => void waits.push(ms) })
    registries.hostGates.holdOff(origin.host, 9000)
    assert.deepEqual(waits, [])
    const bytes = bytesOf(body)
    while ((harness.clock.nextMs ?? 9000) > 250) await new Promise(setImmediate)
    const backoffMs = harness.clock.nextMs ?? 0
    assert.equal(digestOf(await harness.clock.skipping(bytes)), digest)
    assert.equal(waits.length, 1)
    assert.ok(Math.abs((waits[0] ?? 0) - (9000 - backoffMs)) < 1)
  })

  test('tells of a wait for the token service', async () => {
    origin = await start(bearer)
    origin.fault('/token', { status: 429, headers: { 'retry-after': '9' }, times: 1 })
    const waits: number[] = []
    expectStart(await readStart(layerOrigin(), waits))
    assert.deepEqual(waits, [9000])
  })
})

describe('ManifestResolver', () => {
  test('shares the door of its registries with the layers that it finds and with web origins', async () => {
    await using resolver = new ManifestResolver({
      registries: { [origin.host]: { insecure: true } },
      credentials: 'anonymous',
      clock: harness.clock,
    })
    const [found] = await resolver.layers(`${origin.host}/app:v1`)
    const told: unknown[] = []
    resolver.registries.hostGates.onHoldOff((...news) => void told.push(news))
    origin.fault('/v2/', { status: 429, headers: { 'retry-after': '9' }, times: 1 })
    const body = bytesOf(webOrigin(resolver.registries).read(range))
    await untilAsked(2)
    const all = Promise.all([body, found && bytesOf(found.origin.read(range)), resolver.resolve(`${origin.host}/app:v1`)])
    harness.clock.advance(8999)
    await settle()
    assert.equal(origin.requests().total, 2)
    harness.clock.advance(1)
    await all
    assert.deepEqual(told, [[origin.host, 9000]])
  })

  test('with everything that comes after it, sends no HEAD', async () => {
    origin = await start(bearer)
    await using resolver = new ManifestResolver({
      registries: { [origin.host]: { insecure: true } },
      credentials: 'anonymous',
      clock: harness.clock,
    })
    const resolved = await resolver.resolve(`${origin.host}/app:v1`)
    origin.fault('/blobs/', { ignoreRange: true, cutAfterBytes: 100, times: 1 })
    origin.fault('/blobs/', { status: 429, headers: { 'retry-after': '1' }, times: 1 })
    for (const blob of [resolved.config, ...resolved.layers]) {
      assert.equal(digestOf(await harness.clock.skipping(bytesOf(blob.origin.read(undefined)))), blob.digest)
      await harness.clock.skipping(bytesOf(blob.origin.read(range)))
    }
    const manifest = registryOrigin({ reference: `${origin.host}/app`, digest: resolved.digest, kind: 'manifest', registries: resolver.registries })
    assert.equal(digestOf(await bytesOf(manifest.read(undefined))), resolved.digest)
    const counts = Map.groupBy(origin.seen(), ({ method }) => method)
    assert.deepEqual([...counts.keys()], ['GET'])
    assert.equal(counts.get('GET')?.length, origin.requests().total)
  })
})
