import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { peerIdFromMultihash } from '@libp2p/peer-id'
import * as Multihash from 'multiformats/hashes/digest'
import type { Digest } from '../../src/core/digest.ts'
import { pieceLayout } from '../../src/core/piece-layout.ts'
import { SigningKey } from '../../src/net/signing-key.ts'
import { signedBytes } from '../../src/trust/claim.ts'
import type { ClaimMessage } from '../../src/wire/messages.ts'

/** A key of somebody who signs; the same name, the same key. */
export function signer(name: string): SigningKey {
  const seed = createHash('sha256').update(name).digest()
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
  return signerOf(der)
}

/** A key that nobody had before. */
export function newSigner(): SigningKey {
  return signerOf(generateKeyPairSync('ed25519').privateKey.export({ format: 'der', type: 'pkcs8' }))
}

/** A claim as it travels, signed by whoever is to have issued it. */
export function claimOf(
  { digest, sizeBytes, first = 0, hashes }: { digest: Digest; sizeBytes: number; first?: number; hashes: Uint8Array },
  issuer: SigningKey = signer('issuer'),
): ClaimMessage {
  const signature = issuer.sign(signedBytes(digest, pieceLayout(sizeBytes), { first, hashes }))
  return { type: 'claim', digest, sizeBytes, first, issuer: issuer.peerId, signature, hashes }
}

function signerOf(der: Buffer): SigningKey {
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const { x = '' } = createPublicKey(key).export({ format: 'jwk' })
  const publicKey = Buffer.from(x, 'base64url')
  const peerId = peerIdFromMultihash(Multihash.decode(Buffer.concat([Buffer.from('002408011220', 'hex'), publicKey])))
  const raw = Buffer.concat([der.subarray(-32), publicKey])
  return SigningKey.of({ peerId, components: { privateKey: { type: 'Ed25519', raw } } })
}
