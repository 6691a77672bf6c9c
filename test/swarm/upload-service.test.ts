import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import type { Digest } from '../../src/core/digest.ts'
import type { PeerError } from '../../src/core/errors.ts'
import type { IncomingRequest, Link } from '../../src/net/link.ts'
import type { BlobSession } from '../../src/swarm/blob-session.ts'
import { SessionTable } from '../../src/swarm/session-table.ts'
import { UploadService } from '../../src/swarm/upload-service.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { limits } from '../../src/wire/protocol.ts'
import { scriptedNode, type ScriptedNode } from '../support/scripted-link.ts'

const mib = 1024 * 1024
const content = seededContent(1, 8 * mib)

/** A request that a test follows; `serve` ends when it is told to. */
class Asked implements IncomingRequest {
  readonly digest: Digest = content.digest
  readonly #gone = new AbortController()
  readonly signal: AbortSignal = this.#gone.signal
  readonly link: Link
  readonly piece: number
  readonly finish = Promise.withResolvers<void>()
  answer = 'none'

  constructor(link: Link, piece: number) {
    this.link = link
    this.piece = piece
  }

  async serve(sizeBytes: number): Promise<void> {
    this.answer = `${sizeBytes} bytes`
    await this.finish.promise
    this.signal.throwIfAborted()
  }

  busy(retryAfterMs: number): void {
    this.answer = `busy ${retryAfterMs}`
  }

  absent(): void {
    this.answer = 'absent'
  }

  unsentBytes = 0

  abandon({ code }: PeerError): void {
    this.answer = code
    this.cancel()
  }

  cancel(): void {
    this.#gone.abort()
    this.finish.resolve()
  }
}

async function serving(node: ScriptedNode): Promise<BlobSession | undefined> {
  const bytes = (async function* () { yield content.read({ offset: 0, length: content.sizeBytes }) })()
  await node.store.import({ digest: content.digest, size: content.sizeBytes, mediaType: 'x/y' }, bytes)
  return new SessionTable(node.context).serving(content.digest)
}

describe('UploadService', () => {
  test('serves eight at once, and the next as one ends', async () => {
    await using node = await scriptedNode()
    const uploads = new UploadService(node.context)
    const session = await serving(node)
    const { entry, link } = node.link(1)
    const asked = Array.from({ length: 10 }, (_, piece) => new Asked(link, piece))
    for (const request of asked) uploads.take(entry, request, session)
    await node.clock.advanceAsync(0)
    assert.equal(asked.filter(({ answer }) => answer !== 'none').length, 8)
    asked[0]?.finish.resolve()
    asked[1]?.cancel()
    await node.clock.advanceAsync(0)
    assert.equal(asked.filter(({ answer }) => answer !== 'none').length, 10)
    for (const request of asked) request.finish.resolve()
    await node.clock.advanceAsync(0)
    assert.deepEqual(uploads.served, { served: 9 * 256 * 1024, servedWhileIncomplete: 0 })
  })

  test('one peer’s requests beyond its share are busy; those of another are not', async () => {
    await using node = await scriptedNode()
    const uploads = new UploadService(node.context)
    const session = await serving(node)
    const [greedy, modest] = [node.link(1), node.link(2)]
    const asked = Array.from({ length: 8 + limits.queuedRequestsPerPeer + 1 }, (_, piece) => new Asked(greedy.link, piece))
    for (const request of asked) uploads.take(greedy.entry, request, session)
    assert.match(asked.at(-1)?.answer ?? '', /^busy \d+$/)
    assert.equal(asked.at(-2)?.answer, 'none')
    const other = new Asked(modest.link, 0)
    uploads.take(modest.entry, other, session)
    assert.equal(other.answer, 'none')
    for (const request of [...asked, other]) request.cancel()
    await node.clock.advanceAsync(0)
  })

  test('what is not here, not a piece, or not a blob is absent alike', async () => {
    await using node = await scriptedNode()
    const uploads = new UploadService(node.context)
    const session = await serving(node)
    const { entry, link } = node.link(1)
    const asked = [new Asked(link, 32), new Asked(link, 65_535), new Asked(link, 0)]
    for (const [index, request] of asked.entries()) uploads.take(entry, request, index === 2 ? undefined : session)
    assert.deepEqual(asked.map(({ answer }) => answer), ['absent', 'absent', 'absent'])
  })

  test('who takes nothing is not in the way of others, and gets nothing more until it does', async () => {
    await using node = await scriptedNode()
    const uploads = new UploadService(node.context)
    const session = await serving(node)
    const [stuck, honest] = [node.link(1), node.link(2)]
    const first = Array.from({ length: 10 }, (_, piece) => new Asked(stuck.link, piece))
    for (const request of first) {
      request.unsentBytes = 1000
      uploads.take(stuck.entry, request, session)
    }
    const wanted = new Asked(honest.link, 0)
    uploads.take(honest.entry, wanted, session)
    await node.clock.advanceAsync(1900)
    assert.equal(wanted.answer, 'none')
    await node.clock.advanceAsync(1000)
    assert.equal(wanted.answer, `${256 * 1024} bytes`)
    wanted.finish.resolve()
    await node.clock.advanceAsync(5000)
    assert.deepEqual(first.slice(8).map(({ answer }) => answer), ['none', 'none'])
    for (const request of first) request.unsentBytes = 0
    for (const request of first.slice(0, 2)) request.finish.resolve()
    await node.clock.advanceAsync(500)
    assert.deepEqual(first.slice(8).map(({ answer }) => answer), [`${256 * 1024} bytes`, `${256 * 1024} bytes`])
    for (const request of first) request.cancel()
    await node.clock.advanceAsync(0)
  })

  test('what is held for peers is bounded: who has taken nothing for longest makes room', async () => {
    await using node = await scriptedNode({ inFlightBytes: 8 * mib })
    const uploads = new UploadService(node.context)
    const session = await serving(node)
    const [stuck, honest] = [node.link(1), node.link(2)]
    const first = Array.from({ length: 8 }, (_, piece) => new Asked(stuck.link, piece))
    for (const request of first) {
      request.unsentBytes = 1000
      uploads.take(stuck.entry, request, session)
    }
    await node.clock.advanceAsync(4000)
    const wanted = [0, 1].map((piece) => new Asked(honest.link, piece))
    for (const request of wanted) uploads.take(honest.entry, request, session)
    await node.clock.advanceAsync(0)
    assert.deepEqual(wanted.map(({ answer }) => answer), [`${256 * 1024} bytes`, `${256 * 1024} bytes`])
    assert.equal(first.filter(({ answer }) => answer === 'ERR_PEER_LIMIT').length, 2)
    for (const request of [...first, ...wanted]) request.cancel()
    await node.clock.advanceAsync(0)
  })

  test('peers that take what they are sent keep half of the room when others come that never did', async () => {
    await using node = await scriptedNode()
    const uploads = new UploadService(node.context)
    const session = await serving(node)
    const honest = node.link(1)
    const first = new Asked(honest.link, 0)
    uploads.take(honest.entry, first, session)
    await node.clock.advanceAsync(0)
    first.finish.resolve()
    await node.clock.advanceAsync(0)
    const strangers = Array.from({ length: 20 }, (_, index) => {
      const { entry, link } = node.link(2 + index)
      const asked = new Asked(link, 0)
      asked.unsentBytes = 1000
      uploads.take(entry, asked, session)
      return asked
    })
    await node.clock.advanceAsync(0)
    const again = Array.from({ length: 4 }, (_, piece) => new Asked(honest.link, piece))
    for (const request of again) uploads.take(honest.entry, request, session)
    strangers[0]?.finish.resolve()
    strangers[1]?.finish.resolve()
    await node.clock.advanceAsync(0)
    assert.equal(again.filter(({ answer }) => answer !== 'none').length, 2)
    for (const request of [...strangers, ...again]) request.cancel()
    await node.clock.advanceAsync(0)
  })
})
