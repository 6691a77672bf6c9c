import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, test } from 'vitest'
import { createHasher, digestOf } from '../../src/core/digest.ts'
import { embeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { fakeClock } from '../../src/testing/fake-clock.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'
import type { Swarm } from '../../src/swarm/swarm.ts'
import { FakeRegistry, send } from '../origin/fake-registry.ts'
import { TestNodes } from '../support/nodes.ts'
import { mirrorOf, parseAnswer, rawExchange, statusOf, until, watchServer } from './mirror-fixture.ts'

const mib = 1024 * 1024
const kib = 1024

async function bytesOf(response: Response): Promise<Buffer> {
  return Buffer.from(await response.arrayBuffer())
}

async function openSocket(url: string, bytes = ''): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(bytes)
  return socket
}

/** How often a node wrote a blob, and how often one was whole. */
function watchSessions(swarm: Swarm): { opened: number; stored: number } {
  const counts = { opened: 0, stored: 0 }
  const part = swarm.store.part.bind(swarm.store)
  swarm.store.part = (...args) => {
    counts.opened++
    return part(...args)
  }
  swarm.addEventListener('blob:stored', () => counts.stored++)
  return counts
}

describe('clients of a mirror', () => {
  for (const [name, body] of [
    ['of a length', (size: number) => `content-length: ${size}\r\n\r\n${'x'.repeat(80 * kib)}`],
    ['in chunks', () => `transfer-encoding: chunked\r\n\r\n${'10000\r\n'}${'x'.repeat(64 * kib)}\r\n4000\r\n${'x'.repeat(16 * kib)}\r\n`],
  ] as const) {
    test(`P15: that send a body ${name} with a GET are answered, and cut after 64 KiB of it`, async () => {
      await using origin = await embeddedOrigin()
      await using nodes = new TestNodes()
      const { mirror } = await mirrorOf(nodes, origin)
      using watched = watchServer(mirror.url)
      const head = 'GET /v2/ HTTP/1.1\r\nhost: 127.0.0.1\r\n'
      // The server closes: nobody here says that this was all.
      const answer = await rawExchange(mirror.url, head + body(10 * mib))
      assert.deepEqual([parseAnswer(answer).status, parseAnswer(answer).body], [200, '{}'])
      // 10 MiB at once: what the system took in already is read, or not, and the rest is not; that may cost the answer.
      const size = 10 * mib
      const flooded = await rawExchange(mirror.url, `${head}content-length: ${size}\r\n\r\n${'x'.repeat(size)}`)
      assert.ok(flooded === '' || statusOf(flooded) === 200)
      for (const { socket } of watched.requests) assert.ok(socket.bytesRead <= 256 * kib, `${socket.bytesRead} bytes were read`)
    })
  }

  test('P15: that send a short body with a GET keep their connection', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const { mirror } = await mirrorOf(nodes, origin)
    const bodies = ['content-length: 5\r\n\r\nhello', `content-length: ${64 * kib}\r\n\r\n${'x'.repeat(64 * kib)}`, 'transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n']
    const request = bodies.map((body) => `GET /v2/ HTTP/1.1\r\nhost: 127.0.0.1\r\n${body}`).join('')
    const answers = await rawExchange(mirror.url, request, (text) => text.split('HTTP/1.1 200 OK').length > 3 && text.endsWith('{}'))
    assert.equal(answers.split('{}').length, 4)
  })

  test('P16: five hundred that say nothing keep nobody from a pull', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(1, 4 * mib)
    origin.addBlob(content)
    const { mirror } = await mirrorOf(nodes, origin)
    const sockets = await Promise.all(Array.from({ length: 500 }, (_, index) => openSocket(mirror.url, index % 2 === 0 ? '' : 'GET /v2/ HTTP/1.1\r\nx: ')))
    assert.equal(digestOf(await bytesOf(await fetch(`${mirror.url}/v2/a/blobs/${content.digest}`))), content.digest)
    assert.ok(sockets.every(({ destroyed, readableEnded }) => !destroyed && !readableEnded))
    for (const socket of sockets) socket.destroy()
  })

  test('P17: a slow one costs 256 KiB, goes on for as long as it takes something, and is let go after five minutes without', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(2, 48 * mib)
    origin.addBlob(content)
    const clock = fakeClock()
    const { mirror, swarm } = await mirrorOf(nodes, origin, { mirror: { clock } })
    using watched = watchServer(mirror.url)
    const socket = await openSocket(mirror.url, `GET /v2/a/blobs/${content.digest} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`)
    socket.pause()
    await until(() => watched.requests[0]?.response.writableNeedDrain === true)
    const [served] = watched.requests
    assert.ok(served)
    const { response } = served
    let mostBytes = 0
    let takenBytes = 0
    // Ten minutes, in which it takes a little now and then: what the system keeps for it comes on top.
    for (let minute = 0; minute < 10; minute += 2) {
      const standing = takenBytes
      let drained = false
      response.once('drain', () => (drained = true))
      await until(() => {
        mostBytes = Math.max(mostBytes, response.writableLength)
        takenBytes += (socket.read() as Buffer | null)?.byteLength ?? 0
        return drained
      })
      assert.ok(takenBytes > standing)
      await until(() => response.writableNeedDrain)
      await clock.advanceAsync(120_000)
      assert.equal(served.socket.destroyed, false)
    }
    await clock.advanceAsync(179_999)
    assert.equal(served.socket.destroyed, false)
    await clock.advanceAsync(1)
    await until(() => served.socket.destroyed)
    // And a head.
    assert.ok(mostBytes <= 257 * kib, `${mostBytes} bytes were kept`)
    assert.ok(takenBytes < content.sizeBytes)
    socket.destroy()
    await until(() => swarm.explain(content.digest).phase === undefined)
    assert.equal(clock.timerCount, 0)
  })

  test('P18: one that leaves half-way ends the download that nobody else wants', async () => {
    await using origin = await FakeRegistry.open()
    await using nodes = new TestNodes()
    const content = seededContent(3, 72 * mib)
    origin.addBlob(content)
    let ended = 0
    let stuck = 0
    const half = content.sizeBytes / 2
    origin.misbehave(content.digest, ({ request, response, serve }) => {
      const [, offset = 0, end = content.sizeBytes - 1] = (/^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []).map(Number)
      if (end < half) return serve()
      stuck++
      response.once('close', () => ended++)
      response.writeHead(206, { 'content-range': `bytes ${offset}-${end}/${content.sizeBytes}`, 'content-length': String(end + 1 - offset) })
      send(response, content, offset, half, () => {})
    })
    const { mirror, swarm } = await mirrorOf(nodes, origin)
    const leaving = new AbortController()
    const answer = await fetch(`${mirror.url}/v2/a/blobs/${content.digest}`, { signal: leaving.signal })
    let received = 0
    await assert.rejects(async () => {
      for await (const chunk of answer.body ?? []) {
        assert.deepEqual(Buffer.from(chunk), Buffer.from(content.read({ offset: received, length: chunk.byteLength })))
        received += chunk.byteLength
        if (received > 0.4 * content.sizeBytes) leaving.abort()
      }
    }, { name: 'AbortError' })
    assert.ok(received <= half && stuck > 0)
    await until(() => swarm.explain(content.digest).phase === undefined && ended === stuck)
  })

  test('P18: two hundred that leave at once leave nothing', async () => {
    await using origin = await FakeRegistry.open()
    await using nodes = new TestNodes()
    const content = seededContent(4, 2 * mib)
    origin.addBlob(content)
    let stuck = 0
    let ended = 0
    let heal = (): void => {}
    const healed = new Promise<void>((resolve) => (heal = resolve))
    origin.misbehave(content.digest, ({ response, serve }) => {
      stuck++
      response.once('close', () => ended++)
      void healed.then(() => response.destroyed || serve())
    })
    const clock = fakeClock()
    const { mirror, swarm } = await mirrorOf(nodes, origin, { mirror: { clock } })
    using watched = watchServer(mirror.url)
    const ask = `GET /v2/a/blobs/${content.digest} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`
    const sockets = await Promise.all(Array.from({ length: 200 }, () => openSocket(mirror.url, ask)))
    await until(() => watched.requests.length === 200 && stuck > 0)
    for (const socket of sockets) socket.destroy()
    await until(() => watched.requests.every(({ socket }) => socket.destroyed) && ended === stuck)
    await until(() => swarm.explain(content.digest).phase === undefined && clock.timerCount === 0)
    assert.deepEqual(await Array.fromAsync(swarm.store.list()), [])
    heal()
    const answer = await fetch(`${mirror.url}/v2/a/blobs/${content.digest}`)
    assert.equal(digestOf(await bytesOf(answer)), content.digest)
  })

  test('P18: those that stay get it all when others leave half-way', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(6, 80 * mib)
    origin.addBlob(content)
    const { mirror, swarm } = await mirrorOf(nodes, origin)
    const counts = watchSessions(swarm)
    const url = `${mirror.url}/v2/a/blobs/${content.digest}`
    const leaving = Array.from({ length: 30 }, async () => {
      const gone = new AbortController()
      const answer = await fetch(url, { signal: gone.signal })
      for await (const chunk of answer.body ?? []) {
        assert.ok(chunk.byteLength > 0)
        gone.abort()
      }
    })
    const staying = fetch(url).then(bytesOf)
    const ended = await Promise.allSettled(leaving)
    assert.ok(ended.every(({ status }) => status === 'rejected'))
    assert.equal(digestOf(await staying), content.digest)
    assert.ok(origin.bytesSent(content.digest) <= 1.02 * content.sizeBytes)
    assert.deepEqual(counts, { opened: 1, stored: 1 })
  })

  test('P19: two hundred that want one blob share one download', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const content = seededContent(7, 700_000)
    origin.addBlob(content)
    const { mirror, swarm } = await mirrorOf(nodes, origin)
    const counts = watchSessions(swarm)
    const url = `${mirror.url}/v2/a/blobs/${content.digest}`
    const answers = await Promise.all(Array.from({ length: 200 }, async () => {
      const answer = await fetch(url)
      return [answer.status, answer.headers.get('content-length'), digestOf(await bytesOf(answer))]
    }))
    assert.deepEqual(answers, Array.from({ length: 200 }, () => [200, String(content.sizeBytes), content.digest]))
    assert.ok(origin.bytesSent(content.digest) <= 1.02 * content.sizeBytes)
    assert.deepEqual(counts, { opened: 1, stored: 1 })
  })

  test('P20: sixty-four ranges of one blob are one download, and exact', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    // Not a multiple of anything.
    const content = seededContent(8, 16 * mib + 12_345)
    origin.addBlob(content)
    const { mirror, swarm } = await mirrorOf(nodes, origin)
    const counts = watchSessions(swarm)
    const url = `${mirror.url}/v2/a/blobs/${content.digest}`
    const step = Math.ceil(content.sizeBytes / 64)
    await Promise.all(Array.from({ length: 64 }, async (_, index) => {
      const [offset, end] = [index * step, Math.min((index + 1) * step, content.sizeBytes)]
      const answer = await fetch(url, { headers: { range: `bytes=${offset}-${end - 1}` } })
      const said = [answer.status, answer.headers.get('content-range'), answer.headers.get('content-length')]
      assert.deepEqual(said, [206, `bytes ${offset}-${end - 1}/${content.sizeBytes}`, String(end - offset)])
      assert.ok((await bytesOf(answer)).equals(content.read({ offset, length: end - offset })), `slice ${index}`)
    }))
    assert.ok(origin.bytesSent(content.digest) <= 1.02 * content.sizeBytes)
    assert.deepEqual(counts, { opened: 1, stored: 1 })
  })

  test('P32: get the rest of a blob from a mirror that closes meanwhile', async () => {
    await using origin = await FakeRegistry.open()
    await using nodes = new TestNodes()
    const content = seededContent(9, 72 * mib)
    origin.addBlob(content)
    const { mirror } = await mirrorOf(nodes, origin)
    const answer = await fetch(`${mirror.url}/v2/a/blobs/${content.digest}`)
    const hasher = createHasher()
    let closing: Promise<void> | undefined
    for await (const chunk of answer.body ?? []) {
      closing ??= mirror.close()
      hasher.update(chunk)
    }
    assert.equal(hasher.digest(), content.digest)
    await closing
    await assert.rejects(fetch(mirror.url))
  })
})
