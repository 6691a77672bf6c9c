import { peerIdFromMultihash } from '@libp2p/peer-id'
import * as Multihash from 'multiformats/hashes/digest'

/** How the ids of keys begin, and how long they are: the hash of any key, an Ed25519 key and a secp256k1 key as they are. */
const forms: readonly { readonly prefix: readonly number[]; readonly lengthBytes: number }[] = [
  { prefix: [0x12, 0x20], lengthBytes: 34 },
  { prefix: [0x00, 0x24, 0x08, 0x01, 0x12, 0x20], lengthBytes: 38 },
  { prefix: [0x00, 0x25, 0x08, 0x02, 0x12, 0x21], lengthBytes: 39 },
]

/**
 * The name of a peer whose id came in binary form; `undefined` when it is not the id of a key, or not in its one form. libp2p takes more, web
 * addresses and hashes of any length, and gives them names that it does not read back.
 */
export function peerNameOf(peerIdBytes: Uint8Array): string | undefined {
  if (!forms.some(({ prefix, lengthBytes }) => peerIdBytes.byteLength === lengthBytes && prefix.every((byte, index) => peerIdBytes[index] === byte))) return undefined
  try {
    const peerId = peerIdFromMultihash(Multihash.decode(peerIdBytes))
    return peerId.type === 'url' ? undefined : peerId.toString()
  } catch {
    return undefined
  }
}
