import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import type { NodeKey } from '../../src/net/libp2p-types.ts'
import type { Libp2pPeerId } from '../../src/net/libp2p-types.ts'

/** An Ed25519 key, and the name that is made of it. */
export interface Identity {
  readonly privateKey: NodeKey
  readonly peerId: Libp2pPeerId
}

const made = new Map<number, Promise<Identity>>()

/** The identity of a number; always the same, and made once only. */
export function identityOf(number: number): Promise<Identity> {
  let identity = made.get(number)
  if (!identity) {
    identity = makeIdentity(number)
    made.set(number, identity)
  }
  return identity
}

async function makeIdentity(number: number): Promise<Identity> {
  const seed = new Uint8Array(32)
  new DataView(seed.buffer).setUint32(0, number)
  const privateKey = await generateKeyPairFromSeed('Ed25519', seed)
  return { privateKey, peerId: peerIdFromPrivateKey(privateKey) }
}
