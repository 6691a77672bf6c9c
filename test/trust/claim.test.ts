import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'vitest'
import type { Digest } from '../../src/core/digest.ts'
import { pieceLayout } from '../../src/core/piece-layout.ts'
import { isSignedBy } from '../../src/net/signing-key.ts'
import { signedBytes } from '../../src/trust/claim.ts'
import { signer } from '../support/signer.ts'

interface Vector {
  readonly name: string
  readonly issuer: string
  readonly digest: Digest
  readonly sizeBytes: number
  readonly pieceLength: number
  readonly first: number
  readonly hashes: string
  readonly signedBytes: string
  readonly signature: string
}

const path = join(import.meta.dirname, '../../docs/spec/vectors/claims.json')
const vectors: { valid: Vector[]; invalid: Vector[] } = JSON.parse(readFileSync(path, 'utf8'))
const hex = (text: string): Buffer => Buffer.from(text, 'hex')

function bytesOf({ digest, sizeBytes, first, hashes }: Vector): Uint8Array {
  return signedBytes(digest, pieceLayout(sizeBytes), { first, hashes: hex(hashes) })
}

describe('claims.json', () => {
  for (const vector of vectors.valid) {
    test(`${vector.name}: what is signed, and that it is`, () => {
      assert.equal(Buffer.from(bytesOf(vector)).toString('hex'), vector.signedBytes)
      assert.equal(pieceLayout(vector.sizeBytes).pieceLength, vector.pieceLength)
      assert.ok(isSignedBy(hex(vector.issuer), bytesOf(vector), hex(vector.signature)))
      assert.equal(Buffer.from(signer('issuer').sign(bytesOf(vector))).toString('hex'), vector.signature)
    })
  }
  for (const vector of vectors.invalid) {
    test(`${vector.name}: not signed`, () => {
      assert.equal(isSignedBy(hex(vector.issuer), bytesOf(vector), hex(vector.signature)), false)
    })
  }
})
