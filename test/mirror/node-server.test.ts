import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { buffer, text } from 'node:stream/consumers'
import { describe, test } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import { silentLogger } from '../../src/core/log.ts'
import type { MirrorAnswer, MirrorRequest } from '../../src/mirror/mirror-answer.ts'
import { NodeServer, type NodeServerInit } from '../../src/mirror/node-server.ts'
import { fakeClock } from '../../src/testing/fake-clock.ts'
import { ask, parseAnswer, rawExchange, until, watchServer } from './mirror-fixture.ts'

type Answer = (request: MirrorRequest) => Promise<MirrorAnswer>

async function serving(answer: Answer, more: Partial<NodeServerInit> = {}): Promise<{ url: string } & AsyncDisposable> {
  const server = new NodeServer({ host: '127.0.0.1', port: 0, hostNames: [], answer, clock: systemClock, logger: silentLogger, ...more })
  return { url: await server.listen(), [Symbol.asyncDispose]: () => server.close() }
}

function ofLength(length: number, body: AsyncIterable<Uint8Array>): MirrorAnswer {
  return { status: 200, headers: { 'content-length': String(length) }, body }
}

/** A body without an end that counts what is taken of it. */
function endless(): { body: AsyncIterable<Uint8Array>; takenBytes: () => number; ended: Promise<void> } {
  let taken = 0
  const { promise, resolve } = Promise.withResolvers<void>()
  const body = (async function* () {
    try {
      for (;;) {
        taken += 64 * 1024
        yield new Uint8Array(64 * 1024)
      }
    } finally {
      resolve()
    }
  })()
  return { body, takenBytes: () => taken, ended: promise }
}

async function asking(url: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  await once(socket, 'connect')
  socket.on('error', () => {})
  socket.write('GET /v2/ HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n')
  return socket
}

describe('NodeServer', () => {
  test('cuts a body that fails, so that nobody takes it for the whole', async () => {
    const failing = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from('half')
      throw new TypeError('gone')
    }
    await using server = await serving(async () => ofLength(8, failing()))
    await assert.rejects(fetch(server.url).then((answer) => answer.text()))
    const raw = await rawExchange(server.url, 'GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n')
    assert.ok((raw.split('\r\n\r\n')[1] ?? '').length < 8)
  })

  test('takes no more of a body than a client that stops reading can be sent, and lets it go after five minutes', async () => {
    const clock = fakeClock()
    const { body, takenBytes, ended } = endless()
    await using server = await serving(async () => ofLength(2 ** 40, body), { clock })
    const socket = await asking(server.url)
    socket.pause()
    for (let before = -1; before !== takenBytes(); await new Promise(setImmediate)) {
      before = takenBytes()
      for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate)
    }
    // What the system keeps for a socket that nobody reads is its own affair.
    assert.ok(takenBytes() < 16 * 1024 * 1024, `${takenBytes()} bytes`)
    await clock.advanceAsync(299_000)
    assert.equal(socket.destroyed, false)
    await clock.advanceAsync(2000)
    await ended
    socket.destroy()
  })

  test('asks for a chunk when the one before has gone, so that both may lie in the same memory', async () => {
    const chunk = Buffer.alloc(256 * 1024)
    const inTurn = async function* (): AsyncGenerator<Uint8Array> {
      for (let value = 0; value < 32; value++) yield chunk.fill(value)
    }
    await using server = await serving(async ({ sendsInTurn }) => {
      assert.equal(sendsInTurn, true)
      return ofLength(32 * chunk.byteLength, inTurn())
    })
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    socket.write('GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n')
    const received: Buffer[] = []
    socket.on('data', (bytes: Buffer) => {
      received.push(bytes)
      // Slower than the server, which has to keep what was not taken.
      socket.pause()
      setImmediate(() => socket.resume())
    })
    await once(socket, 'close')
    const body = Buffer.concat(received).subarray(-32 * chunk.byteLength)
    for (let value = 0; value < 32; value++) {
      const part = body.subarray(value * chunk.byteLength, (value + 1) * chunk.byteLength)
      assert.ok(part.every((byte) => byte === value), `chunk ${value}`)
    }
  })

  test('ends what it does for a client that leaves', async () => {
    const { promise: aborted, resolve } = Promise.withResolvers<void>()
    await using server = await serving(({ signal }) => {
      signal.addEventListener('abort', () => resolve())
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    })
    const socket = await asking(server.url)
    socket.destroy()
    await aborted
  })

  test('P16: closes connections whose headers do not come, and those that say nothing', async () => {
    await using server = await serving(async () => ({ status: 200, headers: {} }), { headersMs: 300 })
    for (const bytes of ['', 'GET / HTTP/1.1\r\nhost: 127']) {
      const { status, code } = parseAnswer(await rawExchange(server.url, bytes))
      assert.deepEqual([status, code], [408, 'UNSUPPORTED'])
    }
  })

  test('P16: a request whose head comes a byte at a time has ten seconds', async () => {
    await using server = await serving(async () => ({ status: 200, headers: {} }), { headersMs: 300 })
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    socket.on('error', () => {})
    socket.write('GET / HTTP/1.1\r\nx: ')
    const trickle = setInterval(() => socket.write('x'), 20)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    clearInterval(trickle)
    socket.destroy()
    assert.deepEqual([parseAnswer(answer.toString()).status, parseAnswer(answer.toString()).code], [408, 'UNSUPPORTED'])
    await using usual = await serving(async () => ({ status: 200, headers: {} }))
    using watched = watchServer(usual.url)
    await ask(usual.url, '/')
    assert.equal(watched.requests[0]?.server.headersTimeout, 10_000)
  })

  test('P21: what is no HTTP behind a good request never gets into its body', async () => {
    const { promise: more, resolve: go } = Promise.withResolvers<void>()
    const halves = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from('a'.repeat(100))
      await more
      yield Buffer.from('a'.repeat(100))
    }
    await using server = await serving(async () => ofLength(200, halves()))
    const socket = await asking(server.url)
    let received = ''
    socket.on('data', (chunk) => (received += String(chunk)))
    await once(socket, 'data')
    socket.write('no HTTP\r\n\r\n')
    await once(socket, 'close')
    go()
    assert.match(parseAnswer(received).body, /^a{0,100}$/)
  })

  test('P18: a client that leaves is told to all the requests that it pipelined', async () => {
    const signals: AbortSignal[] = []
    await using server = await serving(({ signal }) => {
      signals.push(signal)
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    })
    const socket = await asking(server.url)
    socket.write('GET /v2/ HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n'.repeat(30))
    await until(() => signals.length === 31)
    socket.destroy()
    await until(() => signals.every(({ aborted }) => aborted))
  })

  test('P32: refuses what comes while it closes, and lets a body under way end', async () => {
    const { promise: more, resolve: go } = Promise.withResolvers<void>()
    const slow = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from('a')
      await more
      yield Buffer.from('b')
    }
    const server = await serving(async () => ofLength(2, slow()))
    const answer = await fetch(server.url)
    // The server has not seen the end of its head when it begins to close.
    const late = connect(Number(new URL(server.url).port), '127.0.0.1')
    await once(late, 'connect')
    late.write('GET /v2/ HTTP/1.1\r\nhost: 127.0.0.1\r\n')
    await ask(server.url, '/', { method: 'HEAD' })
    const closing = server[Symbol.asyncDispose]()
    late.write('\r\n')
    const refused = parseAnswer(await text(late))
    assert.deepEqual([refused.status, refused.code, refused.headers.get('connection')], [503, 'UNAVAILABLE', 'close'])
    go()
    assert.equal(await answer.text(), 'ab')
    await closing
    await assert.rejects(fetch(server.url))
  })

  test('P32: a body under way has half a minute', async () => {
    const clock = fakeClock()
    const server = await serving(async () => ofLength(2 ** 40, endless().body), { clock })
    using watched = watchServer(server.url)
    const socket = await asking(server.url)
    socket.pause()
    await until(() => watched.requests[0]?.response.writableNeedDrain === true)
    const [served] = watched.requests
    assert.ok(served)
    const closing = server[Symbol.asyncDispose]()
    await clock.advanceAsync(29_999)
    assert.equal(served.socket.destroyed, false)
    await clock.advanceAsync(1)
    await closing
    assert.equal(served.socket.destroyed, true)
    socket.destroy()
  })

  test('P32: a client that is slow to take the end of a body still gets it while the server closes', async () => {
    const pieces = Array.from({ length: 256 }, () => new Uint8Array(64 * 1024))
    // Less than what is waited for before more is written.
    pieces.push(Buffer.from('end'))
    const length = pieces.reduce((sum, { byteLength }) => sum + byteLength, 0)
    const server = await serving(async () => ofLength(length, (async function* () { yield* pieces })()))
    using watched = watchServer(server.url)
    const socket = await asking(server.url)
    socket.pause()
    await until(() => watched.requests[0]?.response.writableNeedDrain === true)
    const received = buffer(socket)
    await until(() => watched.requests[0]?.response.writableEnded === true)
    await server[Symbol.asyncDispose]()
    const bytes = await received
    assert.equal(bytes.subarray(bytes.indexOf('\r\n\r\n') + 4).byteLength, length)
  })
})
