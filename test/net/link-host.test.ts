import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'vitest'
import { hashingSink, linkNodes, sha256, someDigest, startNode } from './nodes.ts'

describe('a link', () => {
  test('carries control messages whole and in order', async () => {
    await using first = await startNode()
    await using second = await startNode({ hello: { supernode: true } })
    const { here, there } = await linkNodes(first, second)
    assert.equal(here.hello.supernode, true)
    assert.equal(here.inbound, false)
    assert.equal(there.inbound, true)
    const sent = Array.from({ length: 2000 }, (_, index) => ({
      type: 'have' as const,
      digest: someDigest(),
      pieces: Array.from({ length: (index * 7) % 300 }, (_, piece) => piece),
    }))
    for (const message of sent) here.send(message)
    await second.log.until((log) => log.messages.length === sent.length)
    assert.deepEqual(second.log.messages, sent)
  })

  test('carries a piece of 16 MiB unchanged', async () => {
    await using first = await startNode()
    await using second = await startNode()
    const { here } = await linkNodes(first, second)
    const piece = randomBytes(16 * 1024 * 1024)
    second.log.onRequest = (request) => void request.serve(piece.byteLength, [piece])
    const { sink, answer } = hashingSink()
    here.request(someDigest(), 7, piece.byteLength, sink)
    assert.deepEqual(await answer, { kind: 'end', sizeBytes: piece.byteLength, sha256: sha256(piece) })
    assert.equal(here.freeRequests, 4)
  })
})
