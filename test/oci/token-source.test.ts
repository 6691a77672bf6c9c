import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'vitest'
import { HostGates } from '../../src/oci/host-gates.ts'
import { HttpClient } from '../../src/oci/http-client.ts'
import { TokenSource, type TokenRequest } from '../../src/oci/token-source.ts'
import type { EmbeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { Harness } from './harness.ts'

let harness: Harness
let origin: EmbeddedOrigin
let http: HttpClient
let gates: HostGates
let tokens: TokenSource
let request: TokenRequest
beforeEach(async () => {
  harness = new Harness()
  origin = await harness.origin({ auth: { scheme: 'bearer', username: 'user', password: 'canary' } })
  http = new HttpClient({ clock: harness.clock })
  gates = new HostGates(harness.clock)
  tokens = new TokenSource(http, gates)
  const realm = { url: new URL(`${origin.url}/token`), trusted: true }
  request = { realm, service: undefined, scope: 'repository:app:pull', credential: undefined }
})
afterEach(async () => {
  await http.close()
  await harness[Symbol.asyncDispose]()
})

describe('TokenSource', () => {
  test('gives the token that it has, unless that was rejected', async () => {
    const first = await tokens.authorization(request)
    assert.equal(await tokens.authorization(request), first)
    const second = await tokens.authorization(request, first)
    assert.notEqual(second, first)
    assert.equal(await tokens.authorization(request, first), second)
    assert.equal(origin.requests().tokens, 2)
  })

  test('gives the token that it has while the service wants to be left alone', async () => {
    const first = await tokens.authorization(request)
    gates.holdOff(origin.host, 5000)
    assert.equal(await tokens.authorization(request), first)
  })

  test('who waited for the service takes the token that another one got meanwhile', async () => {
    origin.fault('/token', { delayMs: 1000 })
    const first = tokens.authorization(request)
    await harness.clock.reached(1000)
    gates.holdOff(origin.host, 5000)
    const second = tokens.authorization(request)
    harness.clock.advance(1000)
    const token = await first
    harness.clock.advance(4000)
    assert.equal(await second, token)
    assert.equal(origin.requests().tokens, 1)
  })

  test('what the service asks is heard', async () => {
    const told: unknown[] = []
    gates.onHoldOff((...news) => void told.push(news))
    origin.fault('/token', { status: 429, headers: { 'retry-after': '9' } })
    await assert.rejects(tokens.authorization(request), { code: 'ERR_ORIGIN_RATE', retryAfterMs: 9000 })
    assert.deepEqual(told, [[origin.host, 9000]])
  })
})
