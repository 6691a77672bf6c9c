import assert from 'node:assert/strict'
import { serialize } from 'node:v8'
import { format, inspect } from 'node:util'
import { describe, test } from 'vitest'
import { Secret } from '../../src/core/secret.ts'

const canary = 'canary-of-secrets'
const bytes = Buffer.from(canary)
const forms = [canary, bytes.toString('hex'), bytes.toString('base64'), [...bytes].join(), [...bytes].join(', '), inspect(bytes).slice(8, 40)]

describe('Secret', () => {
  const kinds: [kind: string, value: unknown][] = [
    ['text', canary],
    ['bytes', new Uint8Array(bytes)],
    ['an object', { username: 'user', password: canary }],
  ]
  for (const [kind, value] of kinds) {
    test(`of ${kind} is given away by reveal only`, () => {
      const secret = new Secret(value)
      assert.equal(secret.reveal(), value)
      const holder = { secret, list: [secret], map: new Map([[secret, secret]]), error: new TypeError(`of ${String(secret)}`, { cause: secret }) }
      const seen = [
        `of ${String(secret)}`,
        String(secret),
        JSON.stringify(holder),
        JSON.stringify(secret, Object.getOwnPropertyNames(secret)),
        inspect(holder, { showHidden: true, depth: 20, getters: true, showProxy: true }),
        inspect(secret, { customInspect: false, showHidden: true, depth: 20 }),
        format('%s %o %O %j %d', secret, secret, secret, secret, secret),
        holder.error.stack ?? '',
        Object.values(secret).join(),
        Object.getOwnPropertyNames(secret).join(),
        JSON.stringify(structuredClone(secret)),
        serialize(secret).toString('latin1'),
        JSON.stringify(Object.assign({}, secret)),
      ]
      for (const text of seen) for (const form of forms) assert.equal(text.replaceAll(/\s+/g, ' ').includes(form), false, text)
    })
  }

  test('is taken out of what somebody else wrote, as it is and as the last word of a header', () => {
    const header = new Secret(`Bearer ${canary}`)
    assert.equal(header.hideIn(`you sent ${canary}, in Bearer ${canary}`), 'you sent [redacted], in [redacted]')
    assert.equal(new Secret('abc').hideIn('abc'), 'abc', 'what is too short to be a secret stays')
    assert.equal(new Secret(bytes).hideIn(canary), canary)
  })
})
