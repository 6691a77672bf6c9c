import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'vitest'
import { grantIssuer, isGrantSigned, isIssuer, issueGrant, newGrantKey, parseGrant, printIssuer } from '../../src/net/grants.ts'
import { fakeClock } from '../../src/testing/fake-clock.ts'
import { decodeGrant, encodeGrant, grantCounts, grantSignedBytes, type Grant } from '../../src/trust/grant.ts'

interface Vectors {
  valid: {
    name: string
    hex: string
    text: string
    issuer: string
    nonce: string
    notBeforeMs: number
    expiresMs: number
    subject: string
    match: string
    signed: boolean
  }[]
  invalid: { name: string; hex: string }[]
}

const vectors: Vectors = JSON.parse(readFileSync(new URL('../../docs/spec/vectors/grants.json', import.meta.url), 'utf8'))
const peerId = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

describe('grants.json', () => {
  for (const { name, ...vector } of vectors.valid) {
    test(`${name}: reads and writes`, () => {
      const bytes = Buffer.from(vector.hex, 'hex')
      const grant = decodeGrant(bytes) ?? assert.fail('not read')
      const { issuer, nonce, subject, notBeforeMs, expiresMs } = vector
      assert.deepEqual(
        { issuer: hex(grant.issuer), nonce: hex(grant.nonce), subject: hex(grant.subject) },
        { issuer, nonce, subject },
      )
      assert.deepEqual([grant.notBeforeMs, grant.expiresMs, grant.pattern.text], [notBeforeMs, expiresMs, vector.match])
      assert.equal(hex(encodeGrant(grantSignedBytes(grant), grant.signature)), vector.hex)
      assert.equal(hex(grantSignedBytes(grant)), hex(grant.signedBytes))
      assert.equal(isGrantSigned(grant), vector.signed)
      assert.equal(hex(parseGrant(vector.text) ?? Buffer.of()), vector.hex)
    })
  }
  for (const { name, hex: bytes } of vectors.invalid) {
    test(`${name}: is none`, () => assert.equal(decodeGrant(Buffer.from(bytes, 'hex')), undefined))
  }
})

describe('a grant', () => {
  const grant: Grant = decodeGrant(Buffer.from(vectors.valid[0]?.hex ?? '', 'hex')) ?? assert.fail()
  const good = { isSigned: true, peerId: grant.subject, nowMs: grant.notBeforeMs }

  test('counts for its subject, if it is signed, from a minute before it begins to a minute after it ends', () => {
    assert.equal(grantCounts(grant, good), true)
    assert.equal(grantCounts(grant, { ...good, isSigned: false }), false)
    assert.equal(grantCounts(grant, { ...good, peerId: Uint8Array.from(grant.subject, (byte, at) => (at === 37 ? byte ^ 1 : byte)) }), false)
    assert.equal(grantCounts(grant, { ...good, peerId: grant.subject.subarray(0, -1) }), false)
    const times = [grant.notBeforeMs - 60_001, grant.notBeforeMs - 60_000, grant.expiresMs + 60_000, grant.expiresMs + 60_001]
    assert.deepEqual(times.map((nowMs) => grantCounts(grant, { ...good, nowMs })), [false, true, true, false])
  })

  test('of any change has another form, or no good signature', () => {
    const bytes = Buffer.from(vectors.valid[0]?.hex ?? '', 'hex')
    for (let bit = 0; bit < bytes.byteLength * 8; bit++) {
      const changed = Uint8Array.from(bytes)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const read = decodeGrant(changed)
      if (read) assert.equal(isGrantSigned(read), false, `bit ${bit}`)
    }
  })
})

describe('issueGrant', () => {
  test('signs what decodes, for an hour from now', () => {
    const { key, issuer } = newGrantKey()
    const clock = fakeClock()
    const grant = decodeGrant(parseGrant(issueGrant({ key, peerId, match: 'r/a/**', clock })) ?? assert.fail()) ?? assert.fail()
    assert.equal(isGrantSigned(grant), true)
    assert.equal(printIssuer(grant.issuer), issuer)
    assert.equal(issuer, grantIssuer(key))
    assert.ok(isIssuer(issuer))
    assert.equal(grant.expiresMs - grant.notBeforeMs, 3_600_000)
    assert.ok(Math.abs(grant.notBeforeMs - clock.wallMs()) < 1000)
    assert.notEqual(issueGrant({ key, peerId, match: 'r/a/**', clock }), issueGrant({ key, peerId, match: 'r/a/**', clock }))
  })

  test('refuses what makes no grant, and does not show the key', () => {
    const { key } = newGrantKey()
    const secret = key.split('\n')[1] ?? ''
    const wrong: [Partial<Parameters<typeof issueGrant>[0]>, RegExp][] = [
      [{ key: key.replace('A', '!') }, /openssl genpkey/],
      [{ key: secret }, /no Ed25519 private key/],
      [{ peerId: 'me' }, /no peer id/],
      [{ match: 'everything' }, /no pattern/],
      [{ ttlMs: 0 }, /24 hours/],
      [{ ttlMs: 86_401_000 }, /24 hours/],
      [{ ttlMs: Number.NaN }, /24 hours/],
    ]
    for (const [options, says] of wrong) {
      assert.throws(
        () => issueGrant({ key, peerId, match: 'r/a', ...options }),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, 'ERR_REQUEST_OPTION')
          assert.match(error.message, says)
          return !JSON.stringify([error.message, String(error.cause)]).includes(secret.slice(8, 24))
        },
      )
    }
  })
})
