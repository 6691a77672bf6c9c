import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'vitest'
import { memoryBackend } from '../../src/store/memory-backend.ts'
import { memoryScratch } from '../../src/store/memory-scratch.ts'
import { PieceStore } from '../../src/store/piece-store.ts'
import type { SeedCandidate } from '../../src/swarm/sharing-options.ts'
import type { WithheldEvent } from '../../src/swarm/swarm-events.ts'
import type { Swarm } from '../../src/swarm/swarm.ts'
import { embeddedOrigin, type EmbeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { testImage, type TestImage } from '../../src/testing/test-image.ts'
import { eventOf, TestNodes } from '../support/nodes.ts'

const mib = 1024 * 1024
const auth = { scheme: 'basic', username: 'alice', password: 'opensesame' } as const
const credentialsFor = (host: string): Record<string, { username: string; password: string }> => ({
  [host]: { username: 'alice', password: auth.password },
})
const denied = { code: 'ERR_SWARM_NO_SOURCE' }

function blobsOf(image: TestImage): { digest: TestImage['config']['digest']; size: number }[] {
  return [image.manifest, image.config, ...image.layers].map(({ digest, size }) => ({ digest, size }))
}

async function assertWithheld(reader: Swarm, image: TestImage): Promise<void> {
  // Each that is not to be had takes its time to say so.
  const blobs = [image.manifest, image.config, image.layers.at(-1) ?? image.config]
  for (const { digest, size } of blobs) await assert.rejects(reader.fetchLayer({ digest, size }), denied)
}

/** All events of a node that say what is withheld. */
function withheldBy(node: Swarm): WithheldEvent[] {
  const events: WithheldEvent[] = []
  node.addEventListener('sharing:withheld', ({ detail }) => events.push(detail))
  return events
}

async function privateImage(layerSizes: number[]): Promise<{ origin: EmbeddedOrigin; image: TestImage }> {
  const origin = await embeddedOrigin({ auth })
  const image = testImage({ seed: layerSizes.length, layerSizes })
  image.addTo(origin, 'team/app', 'v1')
  return { origin, image }
}

describe('a private image of twenty layers', () => {
  const layerSizes = Array.from({ length: 20 }, (_, index) => 100_000 + index)
  layerSizes[7] = 2 * mib

  test('comes from peers alone in a closed network, by one line', async () => {
    const { origin, image } = await privateImage(layerSizes)
    await using _ = origin
    await using nodes = new TestNodes()
    const network = { key: randomBytes(32) }
    const first = await nodes.start([], { origins: [origin], credentials: credentialsFor(origin.host), network })
    const withheld = withheldBy(first)
    await first.fetchImage(`${origin.host}/team/app:v1`)
    const before = origin.requests().total
    const second = await nodes.start([first], { origins: [origin], network, origin: 'never' })
    const got = await second.fetchImage(`${origin.host}/team/app@${image.manifest.digest}`)
    const { bytes } = got.stats
    assert.deepEqual([bytes.origin, bytes.peers], [0, bytes.total])
    assert.equal(got.layers.length, 20)
    assert.equal(origin.requests().total, before)
    assert.deepEqual(withheld, [])
  })

  test('is withheld without that line, which is what the one event says; the registry serves who has credentials', async () => {
    const { origin, image } = await privateImage(layerSizes)
    await using _ = origin
    await using nodes = new TestNodes()
    const credentials = credentialsFor(origin.host)
    const first = await nodes.start([], { origins: [origin], credentials })
    const withheld = withheldBy(first)
    await first.fetchImage(`${origin.host}/team/app:v1`)
    const [event] = withheld
    assert.equal(withheld.length, 1)
    assert.equal(event?.repository, `${origin.host}/team/app`)
    assert.equal(event?.advice, 'network: { key } makes a closed network whose members share it')
    assert.ok(blobsOf(image).some(({ digest }) => digest === event?.digest))
    const stranger = await nodes.start([first], { origins: [origin] })
    await assertWithheld(stranger, image)
    const second = await nodes.start([first], { origins: [origin], credentials })
    const { bytes } = (await second.fetchImage(`${origin.host}/team/app:v1`)).stats
    assert.deepEqual([bytes.origin, bytes.peers], [bytes.total, 0])
    assert.equal(first.stats().bytes.served, 0)
  })
})

describe('a private layer', () => {
  test('does not leave by the name of a public repository that claims it', async () => {
    await using origin = await embeddedOrigin({ auth: { ...auth, publicRepositories: ['open/app'] } })
    await using nodes = new TestNodes()
    const image = testImage({ seed: 4, layerSizes: [2 * mib, 1000] })
    image.addTo(origin, 'team/app', 'v1')
    image.addTo(origin, 'open/app', 'v1')
    const owner = await nodes.start([], {
      origins: [origin],
      credentials: credentialsFor(origin.host),
      sharing: { rules: [{ match: `${origin.host}/open/**`, access: 'public' }] },
    })
    await owner.fetchImage(`${origin.host}/team/app:v1`)
    await owner.fetchImage(`${origin.host}/open/app:v1`)
    const [layer] = image.layers
    assert.deepEqual((await owner.store.stat(layer?.digest ?? assert.fail()))?.repositories, [
      `${origin.host}/team/app`,
      `${origin.host}/open/app`,
    ])
    await assertWithheld(await nodes.start([owner]), image)
  })

  test('is public where a public repository really gave it', async () => {
    await using origin = await embeddedOrigin({ auth: { ...auth, publicRepositories: ['open/app'] } })
    await using nodes = new TestNodes()
    const image = testImage({ seed: 4, layerSizes: [2 * mib, 1000] })
    image.addTo(origin, 'team/app', 'v1')
    image.addTo(origin, 'open/app', 'v1')
    const owner = await nodes.start([], { origins: [origin], credentials: credentialsFor(origin.host) })
    await owner.fetchImage(`${origin.host}/open/app:v1`)
    await owner.fetchImage(`${origin.host}/team/app:v1`)
    const reader = await nodes.start([owner])
    for (const blob of blobsOf(image)) assert.equal((await reader.fetchLayer(blob)).stats.bytes.peers, blob.size)
  })
})

describe('rules', () => {
  test('withhold what is public, and share what is private, as they say', async () => {
    const { origin, image } = await privateImage([2 * mib, 1000])
    await using _ = origin
    await using openOrigin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const other = testImage({ seed: 9, layerSizes: [1000] })
    other.addTo(openOrigin, 'secret/app', 'v1')
    const owner = await nodes.start([], {
      origins: [origin, openOrigin],
      credentials: credentialsFor(origin.host),
      sharing: {
        rules: [
          { match: `${origin.host}/**`, access: 'public' },
          { match: '*/secret/**', access: 'never' },
        ],
      },
    })
    const withheld = withheldBy(owner)
    await owner.fetchImage(`${origin.host}/team/app:v1`)
    await owner.fetchImage(`${openOrigin.host}/secret/app:v1`)
    const reader = await nodes.start([owner])
    for (const blob of blobsOf(image)) assert.equal((await reader.fetchLayer(blob)).stats.bytes.peers, blob.size)
    await assertWithheld(reader, other)
    assert.deepEqual(withheld.map(({ repository }) => repository), [`${openOrigin.host}/secret/app`])
    assert.match(withheld[0]?.advice ?? '', /\{ match: '\*\/secret\/\*\*', access: 'network' \}/)
  })

  test('that make no sense are refused with what would be right', async () => {
    await using nodes = new TestNodes()
    const start = (sharing: object): Promise<Swarm> => nodes.start([], { sharing: sharing as never })
    await assert.rejects(start({ rules: [{ match: 'everything', access: 'public' }] }), { code: 'ERR_REQUEST_OPTION', message: /sharing\.rules\[0\]\.match/ })
    await assert.rejects(start({ rules: [{ match: 'r/**', access: 'all' }] }), { code: 'ERR_REQUEST_OPTION', message: /'public', 'network', 'never'/ })
    await assert.rejects(start({ rules: [{ match: 'r/**', access: { grant: { issuers: ['me'] } } }] }), { code: 'ERR_REQUEST_OPTION', message: /43 characters/ })
  })
})

describe('a registry that refuses after it gave', () => {
  test.each([
    [401, '/manifests/'],
    [403, '/manifests/'],
    [403, '/blobs/'],
  ])('ends the sharing of that repository (%d for %s)', async (status, path) => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const [image, next] = [testImage({ seed: 5, layerSizes: [2 * mib] }), testImage({ seed: 6, layerSizes: [2 * mib] })]
    image.addTo(origin, 'team/app', 'v1')
    next.addTo(origin, 'team/app', 'v2')
    const owner = await nodes.start([], { origins: [origin] })
    const withheld = withheldBy(owner)
    const reader = await nodes.start([owner])
    await owner.fetchImage(`${origin.host}/team/app:v1`)
    const [layer] = image.layers
    assert.ok(layer)
    const { digest, size } = layer
    assert.equal((await reader.fetchLayer({ digest, size })).stats.bytes.peers, size)
    // It has the layer as a public one now, and would give it on.
    await reader.close()
    const withdraw = origin.fault(path, { status })
    await assert.rejects(owner.fetchImage(`${origin.host}/team/app:v2`))
    await assertWithheld(await nodes.start([owner]), image)
    assert.deepEqual(withheld.map(({ repository, advice }) => [repository, advice]), [
      [`${origin.host}/team/app`, `credentials that may read ${origin.host}/team/app: its registry refused those that this node has`],
    ])
    withdraw()
    await owner.fetchImage(`${origin.host}/team/app:v2`)
    const later = await nodes.start([owner])
    assert.equal((await later.fetchLayer({ digest, size })).stats.bytes.peers, size)
  })
})

describe('beforeSeed', () => {
  test('keeps an image here that it refuses, and offers nothing of one before it has answered', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const [good, bad] = [testImage({ seed: 7, layerSizes: [2 * mib] }), testImage({ seed: 8, layerSizes: [2 * mib] })]
    good.addTo(origin, 'team/good', 'v1')
    bad.addTo(origin, 'team/bad', 'v1')
    const asked: SeedCandidate[] = []
    const verdict = Promise.withResolvers<boolean>()
    const owner = await nodes.start([], {
      origins: [origin],
      beforeSeed: (image) => {
        asked.push(image)
        return image.repository?.endsWith('/good') ? verdict.promise : Promise.reject(new TypeError('the scanner is broken'))
      },
    })
    const withheld = eventOf<WithheldEvent>(owner, 'sharing:withheld')
    await owner.fetchImage(`${origin.host}/team/good:v1`)
    await owner.fetchImage(`${origin.host}/team/bad:v1`)
    const event = await withheld
    assert.equal(event.repository, `${origin.host}/team/bad`)
    assert.match(event.advice, /beforeSeed/)
    const reader = await nodes.start([owner])
    await assertWithheld(reader, bad)
    await assertWithheld(reader, good)
    verdict.resolve(true)
    const later = await nodes.start([owner])
    for (const blob of blobsOf(good)) assert.equal((await later.fetchLayer(blob)).stats.bytes.peers, blob.size)
    await assertWithheld(later, bad)
    assert.deepEqual(asked.map(({ reference, digest, blobs }) => [reference, digest, blobs.map(({ digest: of }) => of)]), [
      [`${origin.host}/team/good:v1`, good.manifest.digest, blobsOf(good).map(({ digest }) => digest)],
      [`${origin.host}/team/bad:v1`, bad.manifest.digest, blobsOf(bad).map(({ digest }) => digest)],
    ])
  })

  test('is asked about what the store holds when the node starts again', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const image = testImage({ seed: 7, layerSizes: [2 * mib] })
    image.addTo(origin, 'team/app', 'v1')
    const [backend, scratch] = [memoryBackend(), memoryScratch()]
    const first = await PieceStore.open(backend, { scratch })
    const before = await nodes.start([], { origins: [origin], store: first })
    await before.fetchImage(`${origin.host}/team/app:v1`)
    await before.close()
    await first.close()
    for (const answer of [false, true]) {
      await using store = await PieceStore.open(backend, { scratch })
      const asked = Promise.withResolvers<SeedCandidate>()
      const again = await nodes.start([], {
        origins: [origin],
        store,
        beforeSeed: (candidate) => {
          asked.resolve(candidate)
          return answer
        },
      })
      const { repository, digest, blobs } = await asked.promise
      assert.deepEqual([repository, digest], [`${origin.host}/team/app`, image.manifest.digest])
      assert.deepEqual(blobs.map((blob) => blob.digest), blobsOf(image).map((blob) => blob.digest))
      const reader = await nodes.start([again])
      if (answer) for (const blob of blobsOf(image)) assert.equal((await reader.fetchLayer(blob)).stats.bytes.peers, blob.size)
      else await assertWithheld(reader, image)
      await again.close()
    }
  })

  test('is asked about what is seeded or fetched alone', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const image = testImage({ seed: 7, layerSizes: [2 * mib] })
    image.addTo(origin, 'team/app', 'v1')
    const [layer] = image.layers
    assert.ok(layer)
    const asked: SeedCandidate[] = []
    const owner = await nodes.start([], {
      origins: [origin],
      beforeSeed: (candidate) => {
        asked.push(candidate)
        return true
      },
    })
    const { layers } = await owner.resolve(`${origin.host}/team/app:v1`)
    for (const each of layers) await owner.fetchLayer(each)
    await using _ = await owner.seed({ digest: layer.digest, size: layer.size })
    const reader = await nodes.start([owner])
    assert.equal((await reader.fetchLayer({ digest: layer.digest, size: layer.size })).stats.bytes.peers, layer.size)
    await assert.rejects(reader.fetchLayer({ digest: image.config.digest, size: image.config.size }), denied)
    assert.deepEqual(asked.map(({ digest, blobs }) => [digest, blobs.length]), [[layer.digest, 1]])
  })
})

describe('authorize', () => {
  test('keeps from one peer what the rules let all read; it cannot let anybody read more', async () => {
    const { origin, image: secret } = await privateImage([2 * mib, 1000])
    await using _ = origin
    await using openOrigin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const image = testImage({ seed: 9, layerSizes: [2 * mib, 1000] })
    image.addTo(openOrigin, 'app', 'v1')
    const friends = new Set<string>()
    const seen: string[] = []
    const owner = await nodes.start([], {
      origins: [origin, openOrigin],
      credentials: credentialsFor(origin.host),
      authorize: ({ peerId, repositories }) => {
        seen.push(...repositories)
        if (!friends.has(peerId)) throw new TypeError('the directory is down')
        return true
      },
    })
    await owner.fetchImage(`${origin.host}/team/app:v1`)
    await owner.fetchImage(`${openOrigin.host}/app:v1`)
    const [friend, stranger] = [await nodes.start([owner]), await nodes.start([owner])]
    friends.add(friend.peerId)
    await assertWithheld(stranger, image)
    for (const blob of blobsOf(image)) assert.equal((await friend.fetchLayer(blob)).stats.bytes.peers, blob.size)
    await assertWithheld(friend, secret)
    assert.deepEqual(new Set(seen), new Set([`${openOrigin.host}/app`]))
  })
})
