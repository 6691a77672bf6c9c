import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'vitest'
import { PieceStore } from '../../src/store/piece-store.ts'
import { memoryBackend } from '../../src/store/memory-backend.ts'
import { embeddedOrigin, type EmbeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { TestNodes } from '../support/nodes.ts'
import { mirrorOf } from './mirror-fixture.ts'

let origin: EmbeddedOrigin
let nodes: TestNodes
beforeEach(async () => {
  origin = await embeddedOrigin()
  nodes = new TestNodes()
})
afterEach(async () => {
  await nodes[Symbol.asyncDispose]()
  await origin.close()
})

async function probe(answer: Promise<Response>): Promise<{ status: number; body: unknown }> {
  const response = await answer
  const body = await response.text()
  assert.match(body, /^[^\n]+\n$/)
  assert.equal(response.headers.get('content-type'), 'application/json')
  return { status: response.status, body: JSON.parse(body) }
}

describe('health endpoints', () => {
  test('answer 200 and a line of JSON while images can be pulled', async () => {
    const { mirror } = await mirrorOf(nodes, origin)
    assert.deepEqual(await probe(fetch(`${mirror.url}/livez`)), { status: 200, body: { live: true } })
    assert.deepEqual(await probe(fetch(`${mirror.url}/readyz?verbose`)), {
      status: 200,
      body: { ready: true, mirror: true, swarm: true, store: true },
    })
    assert.equal(origin.requests.length, 0)
  })

  test('have no body for HEAD, and refuse writers', async () => {
    const { mirror } = await mirrorOf(nodes, origin)
    const head = await fetch(`${mirror.url}/readyz`, { method: 'HEAD' })
    assert.equal(head.status, 200)
    assert.equal(await head.text(), '')
    assert.equal((await fetch(`${mirror.url}/livez`, { method: 'POST' })).status, 405)
  })

  test('say that a mirror which closes is alive and not ready', async () => {
    const { mirror } = await mirrorOf(nodes, origin)
    await mirror.close()
    assert.equal((await mirror.handler(new Request('http://localhost/livez'))).status, 200)
    assert.deepEqual(await probe(mirror.handler(new Request('http://localhost/readyz'))), {
      status: 503,
      body: { ready: false, mirror: false, swarm: true, store: true },
    })
  })

  test('say that a node which closes is not ready', async () => {
    const { mirror, swarm } = await mirrorOf(nodes, origin)
    await swarm.close()
    const { status, body } = await probe(fetch(`${mirror.url}/readyz`))
    assert.equal(status, 503)
    assert.deepEqual(body, { ready: false, mirror: true, swarm: false, store: true })
  })

  test('say that a store which cannot be written to is not ready', async () => {
    const store = await PieceStore.open(memoryBackend())
    const { mirror } = await mirrorOf(nodes, origin, { node: { store } })
    await store.close()
    assert.deepEqual(await probe(fetch(`${mirror.url}/readyz`)), {
      status: 503,
      body: { ready: false, mirror: true, swarm: true, store: false },
    })
  })
})
