import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { noise, pureJsCrypto, type ICryptoInterface } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import { createLibp2p } from 'libp2p'
import { Uint8ArrayList } from 'uint8arraylist'
import { describe, test } from 'vitest'
import { noiseCrypto } from '../../src/net/noise-crypto.ts'
import { startNode } from './nodes.ts'

type Encrypt = ICryptoInterface['chaCha20Poly1305Encrypt']
type Decrypt = ICryptoInterface['chaCha20Poly1305Decrypt']
/** noise brings a uint8arraylist of its own, of which no list can be made here; they are alike at run time. */
interface TakesLists {
  chaCha20Poly1305Encrypt(
    plaintext: Parameters<Encrypt>[0] | Uint8ArrayList,
    ...rest: DropFirst<Parameters<Encrypt>>
  ): ReturnType<Encrypt>
  chaCha20Poly1305Decrypt(
    ciphertext: Parameters<Decrypt>[0] | Uint8ArrayList,
    ...rest: DropFirst<Parameters<Decrypt>>
  ): ReturnType<Decrypt>
}
type DropFirst<List extends unknown[]> = List extends [unknown, ...infer Rest] ? Rest : never

const listCrypto: TakesLists = noiseCrypto
const bytes = (hex: string): Uint8Array => Buffer.from(hex, 'hex')
const key = bytes('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f')
const nonce = bytes('070000004041424344454647')
const ad = bytes('50515253c0c1c2c3c4c5c6c7')

describe('the cryptography of noise', () => {
  test('seals as RFC 8439, section 2.8.2 does', () => {
    const plaintext = Buffer.from(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, " +
        'sunscreen would be it.',
    )
    const sealed = bytes(
      'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6' +
        '3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36' +
        '92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc' +
        '3ff4def08e4b7a9de576d26586cec64b6116' +
        '1ae10b594f09e26a7e902ecbd0600691',
    )
    assert.deepEqual(noiseCrypto.chaCha20Poly1305Encrypt(plaintext, nonce, ad, key), sealed)
    assert.deepEqual(noiseCrypto.chaCha20Poly1305Decrypt(sealed, nonce, ad, key), plaintext)
  })

  test('agrees on a key as RFC 7748, section 5.2 does', () => {
    const scalar = bytes('a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4')
    const point = bytes('e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c')
    const shared = bytes('c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552')
    assert.deepEqual(noiseCrypto.generateX25519SharedKey(scalar, point), shared)
  })

  test('makes keys that another implementation agrees with', () => {
    const ours = noiseCrypto.generateX25519KeyPair()
    const theirs = pureJsCrypto.generateX25519KeyPair()
    assert.deepEqual([ours.privateKey.byteLength, ours.publicKey.byteLength], [32, 32])
    assert.deepEqual(
      Buffer.from(noiseCrypto.generateX25519SharedKey(ours.privateKey, theirs.publicKey)),
      Buffer.from(pureJsCrypto.generateX25519SharedKey(theirs.privateKey, ours.publicKey)),
    )
  })

  test('refuses a public key of low order', () => {
    const { privateKey } = noiseCrypto.generateX25519KeyPair()
    assert.throws(() => noiseCrypto.generateX25519SharedKey(privateKey, new Uint8Array(32)))
  })

  test('seals and opens what another implementation opens and seals, in parts or whole', () => {
    const property = fc.property(
      fc.uint8Array({ minLength: 0, maxLength: 5000 }),
      fc.array(fc.nat({ max: 5000 }), { maxLength: 4 }),
      (plaintext, cuts) => {
        const sealed = listCrypto.chaCha20Poly1305Encrypt(inParts(plaintext, cuts), nonce, ad, key)
        const expected = pureJsCrypto.chaCha20Poly1305Encrypt(plaintext, nonce, ad, key)
        assert.deepEqual(Buffer.from(sealed.subarray()), Buffer.from(expected.subarray()))
        const parts = inParts(sealed.subarray(), cuts)
        const copy = sealed.subarray(0, plaintext.byteLength)
        for (const given of [undefined, copy]) {
          const opened = listCrypto.chaCha20Poly1305Decrypt(parts, nonce, ad, key, given)
          assert.deepEqual(Buffer.from(opened.subarray()), Buffer.from(plaintext))
        }
      },
    )
    fc.assert(property, { numRuns: 300, seed: 1 })
  })

  test('opens nothing of which a bit was turned', () => {
    const none = new Uint8Array(0)
    const sealed = noiseCrypto
      .chaCha20Poly1305Encrypt(randomBytes(100), nonce, none, key)
      .subarray()
    for (let index = 0; index < sealed.byteLength; index++) {
      const turned = Uint8Array.from(sealed)
      turned[index] = (turned[index] ?? 0) ^ 1
      assert.throws(() => noiseCrypto.chaCha20Poly1305Decrypt(turned, nonce, none, key))
    }
    assert.throws(() => noiseCrypto.chaCha20Poly1305Decrypt(sealed, nonce, none, randomBytes(32)))
  })

  test('connects to nodes that use noise as it comes', async () => {
    await using node = await startNode()
    const plain = await createLibp2p({
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
    })
    const inbound = await plain.dial(node.addresses.map((address) => multiaddr(address)))
    assert.equal(inbound.encryption, '/noise')
    await inbound.close()
    const outbound = await node.node.dial(plain.getMultiaddrs())
    assert.equal(outbound.encryption, '/noise')
    await plain.stop()
  })
})

function inParts(whole: Uint8Array, cuts: readonly number[]): Uint8ArrayList {
  const ends = [...cuts.map((cut) => Math.min(cut, whole.byteLength)), whole.byteLength].toSorted(
    (a, b) => a - b,
  )
  let start = 0
  const parts = ends.map((end) => whole.subarray(start, (start = end)))
  return new Uint8ArrayList(...parts)
}
