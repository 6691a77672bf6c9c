import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto'
import { peerIdFromString } from '@libp2p/peer-id'
import { RequestError } from '../core/errors.ts'
import { LruMap } from '../core/lru-map.ts'
import type { Libp2pNode } from './libp2p-node.ts'
import { peerNameOf } from './peer-name.ts'

const rawKeyBytes = 32
/** A peer id of an Ed25519 key is its public key, after these bytes: identity multihash of 36 bytes, key type 1, 32 bytes. */
const ed25519Prefix = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)

/** Signs in the name of a node, with the Ed25519 key that its peer id is made of. */
export class SigningKey {
  /** Peer id, in binary form and as text. */
  readonly peerId: Uint8Array
  readonly name: string
  readonly #key: KeyObject

  private constructor(peerId: Uint8Array, name: string, key: KeyObject) {
    this.peerId = peerId
    this.name = name
    this.#key = key
  }

  /** @throws {@link RequestError} `ERR_REQUEST_OPTION` when the node's identity is not an Ed25519 key that we may use */
  static of({ peerId, components }: Pick<Libp2pNode, 'peerId' | 'components'>): SigningKey {
    const id = peerId.toMultihash().bytes
    const raw = components?.privateKey.type === 'Ed25519' ? components.privateKey.raw : undefined
    const publicKey = publicKeyIn(id)
    if (!publicKey || raw?.byteLength !== 2 * rawKeyBytes) {
      throw new RequestError(
        'ERR_REQUEST_OPTION',
        'the libp2p node does not show an Ed25519 identity, which signs what pieces hash to: make it by createLibp2p with a privateKey of type Ed25519, or with none',
      )
    }
    const jwk = { kty: 'OKP', crv: 'Ed25519', d: base64Url(raw.subarray(0, rawKeyBytes)), x: base64Url(publicKey) }
    return new SigningKey(id, peerId.toString(), createPrivateKey({ key: jwk, format: 'jwk' }))
  }

  sign(message: Uint8Array): Uint8Array {
    return sign(null, message, this.#key)
  }

  /** Whether a node, by its peer id, signed the message; false for ids that are not of Ed25519 keys. */
  isSignedBy(peerId: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
    return isSignedBy(peerId, message, signature)
  }

  /** A peer id as text; `undefined` when it is none. */
  nameOf(peerId: Uint8Array): string | undefined {
    return peerNameOf(peerId)
  }
}

/** Issuers are few and sign often: making a key object costs as much as a third of a check. */
const knownKeys = new LruMap<string, KeyObject>(1024)

/** Whether a node signed the message, going by its peer id in binary form; false for ids that are not of Ed25519 keys. */
export function isSignedBy(peerId: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const publicKey = publicKeyIn(peerId)
  if (!publicKey) return false
  const x = base64Url(publicKey)
  try {
    const key = knownKeys.get(x) ?? createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
    knownKeys.set(x, key)
    return verify(null, message, key, signature)
  } catch {
    // Not every 32 bytes are a point on the curve.
    return false
  }
}

/** The Ed25519 key that a peer id is made of. */
export function publicKeyIn(peerId: Uint8Array): Uint8Array | undefined {
  if (peerId.byteLength !== ed25519Prefix.byteLength + rawKeyBytes) return undefined
  if (ed25519Prefix.some((byte, index) => peerId[index] !== byte)) return undefined
  return peerId.subarray(ed25519Prefix.byteLength)
}

/** Whether a text is a peer id whose signatures can be checked. */
export function isSigner(peerId: string): boolean {
  try {
    return publicKeyIn(peerIdFromString(peerId).toMultihash().bytes) !== undefined
  } catch {
    return false
  }
}

/** The peer id, in binary form, that an Ed25519 public key makes. */
export function peerIdOfKey(publicKey: Uint8Array): Uint8Array {
  return Buffer.concat([ed25519Prefix, publicKey])
}

function base64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}
