import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { createHasher } from '../../src/core/digest.ts'
import { embeddedOrigin } from '../../src/testing/embedded-origin.ts'
import type { Origin } from '../../src/core/origin.ts'
import { seededContent, type BlobContent } from '../../src/testing/seeded-content.ts'
import { TestNodes } from '../support/nodes.ts'
import { mirrorOf } from './mirror-fixture.ts'

const mib = 1024 * 1024
const network = { key: '5c'.repeat(32) }
/** More than what is held back until it is verified. */
const sizeBytes = 72 * mib

/** Gives the first `freeBytes` of a blob, and the rest when it is let go on. */
function halting(content: BlobContent, freeBytes: number, goOn: Promise<void>): Origin {
  return {
    name: 'halting',
    read: async ({ offset, length } = { offset: 0, length: content.sizeBytes }) => ({
      sizeBytes: content.sizeBytes,
      usedCredentials: false,
      chunks: (async function* () {
        const step = 256 * 1024
        for (let at = offset; at < offset + length; at += step) {
          if (at >= freeBytes) await goOn
          yield content.read({ offset: at, length: Math.min(step, offset + length - at) })
        }
      })(),
    }),
  }
}

/** Reads a body, and calls `at` each time that more of it is here. */
async function digestOfBody(answer: Response, at: (receivedBytes: number) => void | Promise<void> = () => {}): Promise<string> {
  const hasher = createHasher()
  let received = 0
  for await (const chunk of answer.body ?? []) {
    hasher.update(chunk)
    received += chunk.byteLength
    await at(received)
  }
  return hasher.digest()
}

describe('a blob on its way through a mirror', () => {
  test('in a closed network, leaves it before any node has all of it', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(1, sizeBytes)
    const { promise: healed, resolve: heal } = Promise.withResolvers<void>()
    const first = await nodes.start([], { network })
    const reading = first.fetchLayer({ digest: content.digest, size: sizeBytes, origin: halting(content, 24 * mib, healed) })
    const second = await nodes.start([first], { network, origin: 'never' })
    const { mirror } = await mirrorOf(nodes, origin, { swarm: second })
    const answer = await fetch(`${mirror.url}/v2/a/blobs/${content.digest}`)
    assert.equal(answer.headers.get('content-length'), String(sizeBytes))
    let isFirst = true
    const digest = await digestOfBody(answer, () => {
      if (!isFirst) return
      isFirst = false
      assert.notEqual(first.explain(content.digest).phase, 'complete')
      assert.notEqual(second.explain(content.digest).phase, 'complete')
      heal()
    })
    assert.deepEqual([digest, isFirst], [content.digest, false])
    await (await reading).close()
  })

  test('arrives whole through the same answer when its only seed dies half-way', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(2, sizeBytes)
    origin.addBlob(content)
    const seed = await nodes.start([], { network, origins: [origin] })
    await (await seed.fetchLayer(`${origin.host}/a@${content.digest}`)).close()
    const beforeBytes = origin.bytesSent(content.digest)
    const { mirror } = await mirrorOf(nodes, origin, { swarm: await nodes.start([seed], { network }) })
    const answer = await fetch(`${mirror.url}/v2/a/blobs/${content.digest}`)
    let died: Promise<void> | undefined
    const digest = await digestOfBody(answer, () => {
      died ??= seed.close()
    })
    assert.equal(digest, content.digest)
    await died
    assert.ok(origin.bytesSent(content.digest) - beforeBytes <= sizeBytes)
  })

  test('is not begun, or not ended, when its registry has other bytes', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const [small, large] = [seededContent(3, 3 * mib), seededContent(4, sizeBytes)]
    for (const content of [small, large]) {
      origin.addBlob(content)
      origin.fault(content.digest, { wrongBytes: true })
    }
    const { mirror, swarm } = await mirrorOf(nodes, origin)
    const ask = (content: BlobContent): Promise<Response> => fetch(`${mirror.url}/v2/a/blobs/${content.digest}`)
    assert.equal((await ask(small)).status, 502)
    const answer = await ask(large)
    let received = 0
    await assert.rejects(digestOfBody(answer, (bytes) => void (received = bytes)))
    assert.ok(received < sizeBytes)
    for (const { digest } of [small, large]) assert.equal(await swarm.store.stat(digest), undefined)
  })

  test('that neither the registry nor a peer has is unknown', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const { mirror } = await mirrorOf(nodes, origin)
    const answer = await fetch(`${mirror.url}/v2/a/blobs/${seededContent(5, 10).digest}`)
    const { errors } = (await answer.json()) as { errors: { code: string }[] }
    assert.deepEqual([answer.status, errors[0]?.code], [404, 'BLOB_UNKNOWN'])
  })
})
