import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { peerIdFromString } from '@libp2p/peer-id'
import { peerNameOf } from '../../src/net/peer-name.ts'

describe('peerNameOf', () => {
  test.for(['12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5', 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N', '16Uiu2HAm1EoMAcNAEucPr7v8bPeLeHm1DkhB6rW2cpnUDvfwRd56'])(
    '%s is named by its bytes',
    (name) => assert.equal(peerNameOf(peerIdFromString(name).toMultihash().bytes), name),
  )

  test('what libp2p names and does not read back has no name', () => {
    const web = Buffer.from('http://peer.example/')
    assert.equal(peerNameOf(Buffer.concat([Uint8Array.of(0, web.byteLength), web])), undefined)
    assert.equal(peerNameOf(Buffer.from('1204aabbccdd', 'hex')), undefined)
    assert.equal(peerNameOf(new Uint8Array()), undefined)
  })
})
