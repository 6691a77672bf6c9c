import assert from 'node:assert/strict'
import { Secret } from '../../src/core/secret.ts'
import { generateKeyPair, generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { createLibp2p } from 'libp2p'
import { describe, test } from 'vitest'
import { createDefaultNode, type Libp2pNode } from '../../src/net/libp2p-node.ts'
import { isSignedBy, publicKeyIn, SigningKey } from '../../src/net/signing-key.ts'

const message = Buffer.from('what pieces hash to')

describe('SigningKey', () => {
  test('signs what libp2p verifies by the same identity', async () => {
    const key = SigningKey.of(await createDefaultNode({ identitySeed: new Secret(new Uint8Array(32).fill(7)) }))
    const { publicKey } = await generateKeyPairFromSeed('Ed25519', new Uint8Array(32).fill(7))
    const signature = key.sign(message)
    assert.equal(await publicKey.verify(message, signature), true)
    assert.equal(isSignedBy(key.peerId, message, signature), true)
    assert.deepEqual(publicKeyIn(key.peerId), publicKey.raw)
  })

  test('is refused for nodes with an identity of another kind, or that do not show it', async () => {
    const expected = { code: 'ERR_REQUEST_OPTION' }
    const node: Libp2pNode = await createLibp2p({ start: false, privateKey: await generateKeyPair('secp256k1') })
    assert.throws(() => SigningKey.of(node), expected)
    const { peerId } = await createDefaultNode()
    assert.throws(() => SigningKey.of({ ...node, peerId, components: undefined }), expected)
  })
})

describe('isSignedBy', () => {
  test('is false for other bytes, other signers, and ids that are no Ed25519 keys', async () => {
    const [ours, theirs] = [SigningKey.of(await createDefaultNode()), SigningKey.of(await createDefaultNode())]
    const signature = ours.sign(message)
    const turned = Uint8Array.from(signature, (byte, index) => (index === 9 ? byte ^ 1 : byte))
    assert.equal(isSignedBy(theirs.peerId, message, signature), false)
    assert.equal(isSignedBy(ours.peerId, message.subarray(1), signature), false)
    assert.equal(isSignedBy(ours.peerId, message, turned), false)
    assert.equal(isSignedBy(ours.peerId, message, new Uint8Array(0)), false)
    assert.equal(isSignedBy(ours.peerId.subarray(1), message, signature), false)
    assert.equal(isSignedBy(new Uint8Array(0), message, signature), false)
    const noPoint = Uint8Array.from(ours.peerId, (byte, index) => (index < 6 ? byte : 0xff))
    assert.equal(isSignedBy(noPoint, message, signature), false)
  })
})
