import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { describe, test } from 'vitest'
import type { Logger } from '../../src/core/log.ts'
import type { RegistryAuth } from '../../src/oci/credential.ts'
import { ManifestResolver } from '../../src/oci/manifest-resolver.ts'
import type { OriginAuth } from '../../src/testing/origin-auth.ts'
import type { OriginFault } from '../../src/testing/origin-fault.ts'
import { testImage } from '../../src/testing/test-image.ts'
import { bytesOf, Harness } from './harness.ts'

const canary = 'canary-7f3a9d'
/** The password as it travels. */
const basic = Buffer.from(`user:${canary}`).toString('base64')
const image = testImage({ seed: 1, layerSizes: [50_000] })

const kinds: [kind: string, auth: RegistryAuth, gate: OriginAuth][] = [
  ['password', { username: 'user', password: canary }, { scheme: 'basic', username: 'user', password: canary }],
  ['password for tokens', { username: 'user', password: canary }, { scheme: 'bearer', username: 'user', password: canary }],
  ['identity token', { identityToken: canary }, { scheme: 'bearer', username: 'user', password: 'x', identityToken: canary }],
  ['registry token', { registryToken: canary }, { scheme: 'bearer', username: 'user', password: 'x' }],
]

/** A server that says back what it was sent, in every place where it can say something. */
const echo = JSON.stringify({ errors: [{ code: canary, message: `you said ${canary} and Bearer ${canary}` }] })
const echoBasic = JSON.stringify({ errors: [{ code: 'DENIED', message: `you said Basic ${basic}` }] })
const faults: [what: string, path: string, fault: OriginFault][] = [
  ['denies', '/v2/', { status: 403, body: echo }],
  ['denies in other words', '/v2/', { status: 403, body: echoBasic }],
  ['fails', '/v2/', { status: 500, body: echo }],
  ['limits', '/v2/', { status: 429, body: echo }],
  ['refuses for ever', '/v2/', { status: 401, body: echo }],
  ['has a token service that refuses', '/token', { status: 401, body: echo }],
  ['has a token service that fails', '/token', { status: 500, body: echo }],
  ['has a token service that talks nonsense', '/token', { status: 200, body: echo }],
  ['redirects to nowhere', '/v2/', { redirectTo: `https://user:${canary}@127.0.0.1:1/?token=${canary}` }],
  ['redirects to itself', '/v2/', { redirectTo: `/v2/x?token=${canary}` }],
  ['breaks off', '/v2/', { cutAfterBytes: 10 }],
  ['sends wrong bytes', '/v2/', { wrongBytes: true }],
  ['encodes', '/v2/', { headers: { 'content-encoding': 'gzip' } }],
]

/** Everything that anybody could see of a failure. */
function visible(error: unknown): string {
  const causes: unknown[] = []
  for (let cause = error; cause instanceof Error && causes.length < 10; cause = cause.cause) {
    causes.push(cause.message, cause.stack, JSON.stringify(cause), inspect(cause, { depth: 20, showHidden: true, getters: true }))
  }
  return JSON.stringify(causes)
}

describe('a secret', () => {
  for (const [kind, auth, gate] of kinds) {
    for (const [what, path, fault] of faults) {
      test(`(${kind}) is seen in no error and no log when the registry ${what}`, async () => {
        const lines: unknown[] = []
        const note = (...parts: unknown[]): void => void lines.push(parts)
        const logger: Logger = { debug: note, info: note, warn: note }
        await using harness = new Harness()
        const origin = await harness.origin({ auth: gate })
        image.addTo(origin, 'app', 'v1')
        await using resolver = new ManifestResolver({
          registries: { [origin.host]: { insecure: true, auth } },
          clock: harness.clock,
          logger,
        })
        // Let in once, so that tokens and headers are held when it goes wrong.
        await resolver.resolve(`${origin.host}/app:v1`).catch((error: unknown) => lines.push(visible(error)))
        const challenge = gate.scheme === 'basic' ? 'Basic realm="x"' : `Bearer realm="${origin.url}/token?round=2"`
        if (path === '/token') origin.fault('/v2/', { status: 401, headers: { 'www-authenticate': challenge } })
        origin.fault(path, fault)
        const layer = resolver.blobOrigin(`${origin.host}/app`, image.layers[0]?.digest ?? image.config.digest)
        const reads: Promise<unknown>[] = [resolver.resolve(`${origin.host}/app:v1`), bytesOf(layer.read(undefined))]
        const failures = await Promise.all(
          reads.map((read) => harness.clock.skipping(read).then(() => undefined, (error: unknown) => error)),
        )
        for (const seen of [failures.map(visible), inspect([resolver, layer], { depth: 20, showHidden: true }), JSON.stringify(lines)]) {
          const text = String(seen)
          assert.equal(text.includes(canary), false, text)
          // A token was never sent as a password, so no server can say it back as one.
          if ('password' in auth) assert.equal(text.includes(basic), false, text)
        }
        if (what !== 'sends wrong bytes') assert.ok(failures.some(Boolean))
      })
    }
  }
})
