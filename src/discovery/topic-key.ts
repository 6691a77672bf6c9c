import { createHmac } from 'node:crypto'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { create as createMultihash } from 'multiformats/hashes/digest'
import { sha256 } from 'multiformats/hashes/sha2'
import { digestToBytes, type Digest } from '../core/digest.ts'
import type { Secret } from '../core/secret.ts'

/**
 * The DHT key of a topic: its digest as a CID or, in a closed network, HMAC-SHA256(network key, digest), so that
 * whoever crawls the DHT with digests of images that they know learns nothing of closed networks.
 */
export function topicKey(topic: Digest, networkKey?: Secret<Uint8Array>): CID {
  const hash = networkKey ? keyed(networkKey, 'topic').update(digestToBytes(topic)).digest() : digestToBytes(topic)
  return CID.createV1(raw.code, createMultihash(sha256.code, hash))
}

/** What mDNS calls the service; nodes of different networks do not answer each other. */
export function mdnsServiceTag(networkKey?: Secret<Uint8Array>): string {
  if (!networkKey) return '_damselfly._udp.local'
  // A service name has at most 15 characters (RFC 6335, section 5.1); 40 bits tell the networks of one site apart.
  return `_dfly-${keyed(networkKey, 'mdns').digest('hex').slice(0, 10)}._udp.local`
}

/** The label keeps what the key is used for here apart from all else that it is used for. */
function keyed(networkKey: Secret<Uint8Array>, label: string): ReturnType<typeof createHmac> {
  return createHmac('sha256', networkKey.reveal()).update(`damselfly discovery ${label}\n`)
}
