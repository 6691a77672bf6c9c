import { pureJsCrypto, type ICryptoInterface } from '@chainsafe/libp2p-noise'
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto'

const cipherName = 'chacha20-poly1305'
const tagBytes = 16
const cipherOptions = { authTagLength: tagBytes } as const
// What a DER file of an X25519 key has before the 32 bytes of the key (RFC 8410).
const privateKeyPrefix = Buffer.from('302e020100300506032b656e04220420', 'hex')
const publicKeyPrefix = Buffer.from('302a300506032b656e032100', 'hex')

const keyObjects = new WeakMap<Uint8Array, KeyObject>()

/**
 * The cryptography of noise on Node's own. noise's default makes a key object for each message, deciphers a message in the
 * pieces in which it came, and hands its ciphertext to the socket in pieces: a receiver takes a tenth more time with it
 * (test/bench/link.ts, 2.46 against 2.19 CPU seconds a gigabyte).
 */
export const noiseCrypto: ICryptoInterface = {
  // What is left of it: HKDF, twice in a connection's life, and keys made from a seed, which we have none of.
  ...pureJsCrypto,

  hashSHA256: (data) => createHash('sha256').update(data.subarray()).digest(),

  generateX25519KeyPair() {
    const { privateKey, publicKey } = generateKeyPairSync('x25519')
    return {
      privateKey: privateKey
        .export({ format: 'der', type: 'pkcs8' })
        .subarray(privateKeyPrefix.byteLength),
      publicKey: publicKey
        .export({ format: 'der', type: 'spki' })
        .subarray(publicKeyPrefix.byteLength),
    }
  },

  generateX25519SharedKey(privateKey, publicKey) {
    const ours = Buffer.concat([privateKeyPrefix, privateKey.subarray()])
    const theirs = Buffer.concat([publicKeyPrefix, publicKey.subarray()])
    return diffieHellman({
      privateKey: createPrivateKey({ key: ours, format: 'der', type: 'pkcs8' }),
      publicKey: createPublicKey({ key: theirs, format: 'der', type: 'spki' }),
    })
  },

  chaCha20Poly1305Encrypt(plaintext, nonce, ad, key) {
    const cipher = createCipheriv(cipherName, keyObjectOf(key), nonce, cipherOptions)
    if (ad.byteLength > 0) cipher.setAAD(ad, { plaintextLength: plaintext.byteLength })
    const parts = plaintext instanceof Uint8Array ? [plaintext] : [...plaintext]
    const ciphertext = parts.map((part) => cipher.update(part))
    cipher.final()
    return Buffer.concat([...ciphertext, cipher.getAuthTag()], plaintext.byteLength + tagBytes)
  },

  /** @param copy - the ciphertext in one buffer: noise makes it for ciphers that work in place */
  chaCha20Poly1305Decrypt(ciphertext, nonce, ad, key, copy) {
    const plaintextBytes = ciphertext.byteLength - tagBytes
    const decipher = createDecipheriv(cipherName, keyObjectOf(key), nonce, cipherOptions)
    if (ad.byteLength > 0) decipher.setAAD(ad, { plaintextLength: plaintextBytes })
    decipher.setAuthTag(ciphertext.subarray(plaintextBytes))
    const plaintext = decipher.update(copy ?? ciphertext.subarray(0, plaintextBytes))
    // Throws when the tag does not fit; nothing of the plaintext has left this function then.
    decipher.final()
    return plaintext
  },
}

function keyObjectOf(key: Uint8Array): KeyObject {
  let object = keyObjects.get(key)
  if (!object) {
    object = createSecretKey(key)
    keyObjects.set(key, object)
  }
  return object
}
