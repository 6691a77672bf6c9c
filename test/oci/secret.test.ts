import assert from 'node:assert/strict'
import { format, inspect } from 'node:util'
import { describe, test } from 'vitest'
import { Secret } from '../../src/oci/secret.ts'

describe('Secret', () => {
  const secret = new Secret('canary')

  test('is given away by reveal only', () => {
    assert.equal(secret.reveal(), 'canary')
    const seen = [
      String(secret),
      JSON.stringify({ secret }),
      inspect({ secret }, { showHidden: true, depth: 9 }),
      format('%s %o %j', secret, secret, secret),
      Object.values(secret).join(),
      Object.getOwnPropertyNames(secret).join(),
    ]
    for (const text of seen) assert.equal(text.includes('canary'), false, text)
  })
})
