import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { describe, test } from 'vitest'
import { StoreError } from '../../src/core/errors.ts'
import type { Libp2pStream } from '../../src/net/libp2p-types.ts'
import type { IncomingRequest } from '../../src/net/link.ts'
import { fakeClock } from '../../src/testing/fake-clock.ts'
import { encodeFrame } from '../../src/wire/codec.ts'
import { pieceProtocol } from '../../src/wire/protocol.ts'
import {
  hashingSink,
  linkNodes,
  manyTurns,
  sha256,
  someDigest,
  startNode,
  type TestNode,
} from './nodes.ts'
import { RawPeer } from './raw-peer.ts'

const mib = 1024 * 1024

/** The next request that a node hears. */
function nextRequest(node: TestNode): Promise<IncomingRequest> {
  return new Promise((resolve) => {
    node.log.onRequest = resolve
  })
}

describe('a request', () => {
  test('brings a piece of 16 MiB unchanged', async () => {
    await using first = await startNode()
    await using second = await startNode()
    const { here, there } = await linkNodes(first, second)
    const piece = randomBytes(16 * mib)
    const digest = someDigest()
    const requested = nextRequest(second)
    const { sink, answer } = hashingSink()
    here.request(digest, 7, piece.byteLength, sink)
    const request = await requested
    assert.equal(request.digest, digest)
    assert.equal(request.piece, 7)
    assert.equal(request.link, there)
    await request.serve(piece.byteLength, [piece.subarray(0, mib), piece.subarray(mib)])
    assert.deepEqual(await answer, {
      kind: 'end',
      sizeBytes: piece.byteLength,
      sha256: sha256(piece),
    })
  })

  test('runs beside three others, and one more may be made as soon as one has ended', async () => {
    await using first = await startNode()
    await using second = await startNode()
    const { here } = await linkNodes(first, second)
    const pieces = Array.from({ length: 12 }, (_, index) => randomBytes(mib / 2 + index))
    second.log.onRequest = (request) => {
      const piece = pieces[request.piece] ?? randomBytes(0)
      void request.serve(piece.byteLength, [piece])
    }
    const digest = someDigest()
    const { promise: done, resolve } = Promise.withResolvers<void>()
    const hashes: string[] = []
    let next = 0
    let ended = 0
    const askAll = (): void => {
      while (here.freeRequests > 0 && next < pieces.length) {
        const index = next++
        const { sink, answer } = hashingSink()
        void answer.then(({ sha256: hash }) => {
          hashes[index] = hash
          if (++ended === pieces.length) resolve()
        })
        const end = (): void => {
          assert.ok(here.freeRequests > 0)
          sink.end()
          askAll()
        }
        here.request(digest, index, pieces[index]?.byteLength ?? 0, { ...sink, end })
      }
    }
    askAll()
    assert.equal(next, 4)
    await done
    assert.deepEqual(hashes, pieces.map(sha256))
    assert.equal(here.freeRequests, 4)
    assert.equal(dataStreams(first), 4)
  })

  test('may be answered with a time to come back', async () => {
    await using first = await startNode()
    await using second = await startNode()
    const { here } = await linkNodes(first, second)
    second.log.onRequest = (request) => request.busy(1500)
    const { sink, answer } = hashingSink()
    here.request(someDigest(), 0, 1, sink)
    const { kind, retryAfterMs } = await answer
    assert.deepEqual({ kind, retryAfterMs }, { kind: 'busy', retryAfterMs: 1500 })
  })

  test('for what is not there is answered so, and the stream serves the next one', async () => {
    await using first = await startNode()
    await using second = await startNode()
    const { here } = await linkNodes(first, second)
    for (let round = 0; round < 5; round++) {
      const { sink, answer } = hashingSink()
      here.request(someDigest(), 0, 1, sink)
      assert.equal((await answer).kind, 'absent')
    }
    assert.equal(dataStreams(first), 1)
  })

  test('that was cancelled is heard of no more, and the holder learns of it', async () => {
    await using first = await startNode()
    await using second = await startNode()
    const { here } = await linkNodes(first, second)
    const requested = nextRequest(second)
    const cancelled = hashingSink()
    const cancel = here.request(someDigest(), 0, 16 * mib, cancelled.sink)
    const request = await requested
    const served = assert.rejects(
      request.serve(16 * mib, blobOf(16)),
      (error) => error === request.signal.reason,
    )
    while (cancelled.received() === 0) await setImmediate()
    cancel()
    cancel()
    const before = cancelled.received()
    assert.equal(here.freeRequests, 4)
    await served
    assert.equal(request.signal.aborted, true)
    const other = hashingSink()
    here.request(someDigest(), 0, 1, other.sink)
    assert.equal((await nextAnswer(second, other.answer)).kind, 'absent')
    assert.equal(cancelled.received(), before)
    assert.equal(here.closed, false)
  })

  test('that has ended is not cancelled any more, whoever has the stream now', async () => {
    await using first = await startNode()
    await using second = await startNode()
    const { here } = await linkNodes(first, second)
    const ended = hashingSink()
    const cancel = here.request(someDigest(), 0, 1, ended.sink)
    await ended.answer
    const requested = nextRequest(second)
    const next = hashingSink()
    here.request(someDigest(), 1, 1, next.sink)
    const request = await requested
    cancel()
    await request.serve(1, [randomBytes(1)])
    assert.equal((await next.answer).kind, 'end')
  })

  test('can be cancelled before its stream is open', async () => {
    await using first = await startNode()
    await using second = await startNode()
    const { here } = await linkNodes(first, second)
    const cancelled = hashingSink()
    here.request(someDigest(), 0, 1, cancelled.sink)()
    const other = hashingSink()
    here.request(someDigest(), 0, 1, other.sink)
    assert.equal((await other.answer).kind, 'absent')
  })

  test('fails once when the link is closed under it, by either end', async () => {
    for (const closer of ['here', 'there'] as const) {
      await using first = await startNode()
      await using second = await startNode()
      const link = await linkNodes(first, second)
      const requested = nextRequest(second)
      const { sink, answer, received } = hashingSink()
      link.here.request(someDigest(), 0, 16 * mib, sink)
      const request = await requested
      const served = assert.rejects(request.serve(16 * mib, blobOf(16)))
      while (received() === 0) await setImmediate()
      link[closer].close()
      const { kind, error } = await answer
      assert.equal(kind, 'failed')
      assert.equal(error?.code, 'ERR_PEER_UNREACHABLE')
      await served
      assert.equal(request.signal.aborted, true)
      await first.log.until((log) => log.closed.length === 1)
      await second.log.until((log) => log.closed.length === 1)
      assert.equal(link.here.freeRequests, 0)
      const late = hashingSink()
      link.here.request(someDigest(), 0, 1, late.sink)
      assert.equal((await late.answer).error?.code, 'ERR_PEER_UNREACHABLE')
    }
  })

  test('fails alone when the holder cannot go on', async () => {
    await using first = await startNode()
    await using second = await startNode()
    const { here } = await linkNodes(first, second)
    const requested = nextRequest(second)
    const { sink, answer } = hashingSink()
    here.request(someDigest(), 0, 2 * mib, sink)
    const request = await requested
    const broken = new StoreError('ERR_STORE_IO', 'the disk is gone')
    await assert.rejects(request.serve(2 * mib, failing(broken)), (error) => error === broken)
    assert.equal((await answer).error?.code, 'ERR_PEER_REFUSED')
    const other = hashingSink()
    here.request(someDigest(), 0, 1, other.sink)
    assert.equal((await nextAnswer(second, other.answer)).kind, 'absent')
  })

  test('is served as long as was said, or not at all', async () => {
    await using first = await startNode()
    await using second = await startNode()
    const { here } = await linkNodes(first, second)
    for (const chunks of [[randomBytes(9)], [randomBytes(8), randomBytes(3)]]) {
      const requested = nextRequest(second)
      const { sink, answer } = hashingSink()
      here.request(someDigest(), 0, 10, sink)
      await assert.rejects((await requested).serve(10, chunks), { code: 'ERR_REQUEST_SIZE' })
      assert.equal((await answer).kind, 'failed')
    }
  })

  test('takes one answer', async () => {
    await using first = await startNode()
    await using second = await startNode()
    const { here } = await linkNodes(first, second)
    second.log.onRequest = (request) => {
      request.busy(1)
      request.absent()
      void request.serve(1, [randomBytes(1)])
    }
    for (let round = 0; round < 2; round++) {
      const { sink, answer } = hashingSink()
      here.request(someDigest(), 0, 1, sink)
      assert.equal((await answer).kind, 'busy')
    }
  })

  test('beyond the fourth is refused here', async () => {
    await using first = await startNode()
    await using second = await startNode()
    const { here } = await linkNodes(first, second)
    second.log.onRequest = () => {}
    for (let index = 0; index < 4; index++) here.request(someDigest(), index, 1, hashingSink().sink)
    const { sink, answer } = hashingSink()
    here.request(someDigest(), 4, 1, sink)
    assert.equal((await answer).error?.code, 'ERR_PEER_LIMIT')
    assert.equal(here.closed, false)
  })
})

describe('a holder that ends the stream at once', () => {
  const endings: [string, (stream: Libp2pStream) => unknown][] = [
    ['with a reset', (stream) => stream.abort(new TypeError('no'))],
    ['in good order', (stream) => stream.close()],
  ]
  for (const [name, end] of endings) {
    test(`${name} lets the request fail`, async () => {
      await using asker = await startNode()
      await using peer = await RawPeer.start()
      await peer.link(asker)
      await peer.node.handle(pieceProtocol, (stream) => void end(stream))
      const link = asker.host.get(peer.peerId)
      for (let round = 0; round < 5; round++) {
        const { sink, answer } = hashingSink()
        link?.request(someDigest(), 0, 1, sink)
        assert.equal((await answer).error?.name, 'PeerError')
      }
      assert.equal(link?.freeRequests, 4)
    })
  }
})

describe('a holder', () => {
  test('reads no further ahead than the peer reads, and goes on when it does', async () => {
    await using holder = await startNode()
    await using peer = await RawPeer.start()
    await peer.link(holder)
    const data = await peer.openData(holder)
    const requested = nextRequest(holder)
    data.stream.pause()
    data.send({ type: 'request', digest: someDigest(), piece: 0 })
    const request = await requested
    let pulledBytes = 0
    const served = request.serve(
      16 * mib,
      blobOf(16, (bytes) => (pulledBytes += bytes)),
    )
    for (const readMib of [0, 3, 6]) {
      while (data.receivedBytes < readMib * mib) await setImmediate()
      data.stream.pause()
      while (data.stream.readBufferLength < 200_000) await setImmediate()
      await manyTurns()
      const aheadBytes = pulledBytes - data.receivedBytes
      assert.ok(aheadBytes <= 3 * mib, `${aheadBytes} bytes were read ahead`)
      data.stream.resume()
    }
    await served
    const frameBytes = encodeFrame({ type: 'piece', sizeBytes: 16 * mib }).byteLength
    while (data.receivedBytes < 16 * mib + frameBytes) await setImmediate()
    assert.equal(data.receivedBytes, 16 * mib + frameBytes)
  })

  test('gives up a peer that reads nothing for 30 s', async () => {
    const clock = fakeClock()
    await using holder = await startNode({ clock })
    await using peer = await RawPeer.start()
    const control = await peer.link(holder)
    const data = await peer.openData(holder)
    const requested = nextRequest(holder)
    data.stream.pause()
    data.send({ type: 'request', digest: someDigest(), piece: 0 })
    const request = await requested
    const served = assert.rejects(request.serve(16 * mib, blobOf(16)), { code: 'ERR_PEER_STALL' })
    while (data.stream.readBufferLength < 200_000) await setImmediate()
    await manyTurns()
    await clock.advanceAsync(29_999)
    assert.equal(request.signal.aborted, false)
    await clock.advanceAsync(30_001)
    await served
    await control.ended
    assert.equal(holder.log.closed[0]?.error?.code, 'ERR_PEER_STALL')
  })

  test('waits for a peer that reads slowly', async () => {
    const clock = fakeClock()
    await using holder = await startNode({ clock })
    await using peer = await RawPeer.start()
    await peer.link(holder)
    const data = await peer.openData(holder)
    const requested = nextRequest(holder)
    data.send({ type: 'request', digest: someDigest(), piece: 0 })
    const served = (await requested).serve(16 * mib, [randomBytes(16 * mib)])
    for (const readMib of [1, 4, 7, 10]) {
      while (data.receivedBytes < readMib * mib) await setImmediate()
      data.stream.pause()
      await manyTurns()
      await clock.advanceAsync(29_000)
      data.stream.resume()
    }
    await served
  })

  test('resets a fifth data stream', async () => {
    await using holder = await startNode()
    await using peer = await RawPeer.start()
    await peer.link(holder)
    const streams = []
    for (let index = 0; index < 4; index++) streams.push(await peer.openData(holder))
    const fifth = await peer.openData(holder)
    await fifth.ended
    for (const { stream } of streams) assert.equal(stream.status, 'open')
  })

  test('resets a data stream of a peer without a link', async () => {
    await using holder = await startNode()
    await using peer = await RawPeer.start()
    const data = await peer.openData(holder)
    await data.ended
    assert.equal(data.receivedBytes, 0)
  })

  test('ends the connection of a peer that opens and resets streams without end', async () => {
    await using holder = await startNode()
    await using peer = await RawPeer.start()
    await peer.link(holder)
    const connection = await peer.connect(holder)
    while (connection.status === 'open') {
      const data = await peer.openData(holder).catch(() => undefined)
      data?.reset()
    }
    await holder.log.until((log) => log.closed.length > 0)
    assert.equal(holder.log.closed[0]?.error?.code, 'ERR_PEER_LIMIT')
  })
})

describe('a peer that breaks the protocol on a data stream', () => {
  const crimes: [string, (data: Awaited<ReturnType<RawPeer['openData']>>) => void][] = [
    [
      'asks again before it was answered',
      (data) => {
        data.send({ type: 'request', digest: someDigest(), piece: 0 })
        data.send({ type: 'request', digest: someDigest(), piece: 1 })
      },
    ],
    ['sends control messages there', (data) => data.send({ type: 'join', topic: someDigest(), asks: true })],
    ['announces a frame of 16 MiB', (data) => data.send(Uint8Array.of(0x41, 0xff, 0xff, 0xff))],
    ['sends noise', (data) => data.send(randomBytes(4096).fill(0x7f, 0, 1))],
  ]
  for (const [name, commit] of crimes) {
    test(`${name}: stream and link end`, async () => {
      await using holder = await startNode()
      holder.log.onRequest = () => {}
      await using peer = await RawPeer.start()
      const control = await peer.link(holder)
      const data = await peer.openData(holder)
      commit(data)
      await data.ended
      await control.ended
      assert.equal(holder.log.closed[0]?.error?.code, 'ERR_PEER_PROTOCOL')
    })
  }
})

function dataStreams({ node }: TestNode): number {
  const streams = node.getConnections().flatMap((connection) => connection.streams)
  return streams.filter((stream) => stream.protocol === '/damselfly/piece/1.0.0').length
}

function nextAnswer<T>(node: TestNode, answer: Promise<T>): Promise<T> {
  node.log.onRequest = (request) => request.absent()
  return answer
}

function* blobOf(
  mebibytes: number,
  pulled: (bytes: number) => void = () => {},
): Generator<Uint8Array> {
  for (let index = 0; index < mebibytes; index++) {
    pulled(mib)
    yield randomBytes(mib)
  }
}

async function* failing(error: Error): AsyncGenerator<Uint8Array> {
  yield randomBytes(mib)
  throw error
}
