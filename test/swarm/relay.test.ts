import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { describe, test } from 'vitest'
import { digestOf, type Digest } from '../../src/core/digest.ts'
import type { BlobFetcher, BlobRequest } from '../../src/swarm/blob-fetcher.ts'
import { Relay } from '../../src/swarm/relay.ts'
import { emptyCopy } from '../../src/swarm/swarm-context.ts'
import type { FetchOptions } from '../../src/swarm/transfer.ts'
import type { BitfieldMessage } from '../../src/wire/messages.ts'
import { scriptedNode, type ScriptedNode } from '../support/scripted-link.ts'

const digest = digestOf(Buffer.from('blob'))

interface Load {
  readonly request: BlobRequest
  /** Its session is open. */
  start(): void
  end(): void
  fail(): void
}

/** Loads that a test lets happen. */
function relayOn(node: ScriptedNode): { relay: Relay; loads: Load[] } {
  const loads: Load[] = []
  const fetch = (request: BlobRequest, { onProgress }: FetchOptions): Promise<unknown> => {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const started = { type: 'blob:started' } as Parameters<NonNullable<typeof onProgress>>[0]
    loads.push({
      request,
      start: () => onProgress?.(started),
      end: () => resolve({ close: async () => {} }),
      fail: () => reject(new Error('nobody has it')),
    })
    return promise
  }
  const blobs = { fetch } as unknown as BlobFetcher
  return { relay: new Relay(node.context, blobs, new AbortController().signal), loads }
}

function wants(of: Digest = digest, sizeBytes = 5000): BitfieldMessage {
  return { ...emptyCopy(of, sizeBytes), wants: true }
}

describe('a relay', () => {
  test('loads what it is asked for, and answers as soon as pieces may come', async () => {
    await using node = await scriptedNode()
    const { relay, loads } = relayOn(node)
    const { entry, link } = node.link(1)
    let again = 0
    relay.wanted(entry, wants(), () => again++)
    assert.deepEqual(loads.map(({ request }) => [request.digest, request.topic, request.size, request.origin]), [
      [digest, digest, 5000, undefined],
    ])
    await setImmediate()
    assert.equal(again, 0)
    loads[0]?.start()
    await setImmediate()
    assert.equal(again, 1)
    assert.deepEqual(link.sent, [])
  })

  test('two who ask share a load', async () => {
    await using node = await scriptedNode()
    const { relay, loads } = relayOn(node)
    let again = 0
    for (const id of [1, 2]) relay.wanted(node.link(id).entry, wants(), () => again++)
    loads[0]?.start()
    await setImmediate()
    assert.deepEqual([loads.length, again], [1, 2])
  })

  test('what nobody has is answered as what is not here, and not looked for again for two seconds', async () => {
    await using node = await scriptedNode()
    const { relay, loads } = relayOn(node)
    const { entry, link } = node.link(1)
    const ask = (): void => relay.wanted(entry, wants(), () => assert.fail('it is not here'))
    ask()
    loads[0]?.fail()
    await setImmediate()
    assert.deepEqual(link.sent, [emptyCopy(digest, 5000)])
    node.clock.advance(1999)
    ask()
    assert.deepEqual([link.sent.length, loads.length], [2, 1])
    node.clock.advance(1)
    ask()
    assert.deepEqual([link.sent.length, loads.length], [2, 2])
  })

  test('sixty-four loads at once: who asks for more is told that it is not here', async () => {
    await using node = await scriptedNode()
    const { relay, loads } = relayOn(node)
    const { entry, link } = node.link(1)
    const digests = Array.from({ length: 65 }, (_, index) => digestOf(Buffer.from(`blob ${index}`)))
    for (const each of digests) relay.wanted(entry, wants(each), () => {})
    const [last = digest] = digests.slice(-1)
    assert.equal(loads.length, 64)
    assert.deepEqual(link.sent, [emptyCopy(last, 5000)])
    loads[0]?.end()
    await setImmediate()
    relay.wanted(entry, wants(last), () => {})
    assert.equal(loads.length, 65)
  })

  test('who does not know the size hears when the blob is here, or after a second and a half', async () => {
    await using node = await scriptedNode()
    const { relay, loads } = relayOn(node)
    const { entry, link } = node.link(1)
    let again = 0
    relay.wanted(entry, wants(digest, 0), () => again++)
    loads[0]?.start()
    await setImmediate()
    assert.equal(again, 0)
    loads[0]?.end()
    await setImmediate()
    assert.equal(again, 1)
    const other = digestOf(Buffer.from('other'))
    relay.wanted(entry, wants(other, 0), () => again++)
    assert.equal(loads[1]?.request.size, undefined)
    await node.clock.advanceAsync(1499)
    assert.deepEqual(link.sent, [])
    await node.clock.advanceAsync(1)
    assert.deepEqual(link.sent, [emptyCopy(other, 0)])
    assert.equal(again, 1)
  })
})
