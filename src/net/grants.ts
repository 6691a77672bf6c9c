import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'
import { peerIdFromString } from '@libp2p/peer-id'
import { systemClock, type Clock } from '../core/clock.ts'
import { RequestError } from '../core/errors.ts'
import { quoted } from '../core/quoted.ts'
import { decodeGrant, encodeGrant, grantSignedBytes, maxGrantLifeMs, type Grant } from '../trust/grant.ts'
import { parsePattern } from '../trust/repository-pattern.ts'
import { peerNameOf } from './peer-name.ts'
import { isSignedBy, peerIdOfKey } from './signing-key.ts'

const defaultLifeMs = 3_600_000
const nonceBytes = 16
/** Of a peer id as text; all are shorter. */
const maxPeerIdLength = 128
const issuerPattern = /^[A-Za-z0-9_-]{43}$/

/**
 * What {@link issueGrant} puts into a grant.
 * @public
 */
export interface GrantOptions {
  /** The issuer's Ed25519 private key: PEM, PKCS #8, as {@link newGrantKey} and `openssl genpkey -algorithm ed25519` make it. */
  key: string
  /** Peer id of the node that may read: `12D3Koo…`. */
  peerId: string
  /** Repositories whose blobs it may read: `registry.example/team/**`. */
  match: string
  /** How long the grant lasts, in milliseconds; at most 24 hours. @defaultValue 1 hour */
  ttlMs?: number | undefined
  /** @defaultValue the machine's clock */
  clock?: Clock | undefined
}

/**
 * Signs a grant: who holds the private key of a peer id may read private blobs of some repositories for a while, from nodes whose rules name the
 * issuer. See docs/spec/sharing.md.
 *
 * @returns the grant as one line of text, for `createSwarm({ grants })`
 * @throws {@link RequestError} `ERR_REQUEST_OPTION` when an option cannot be used; it never shows the key
 * @example
 * ```ts
 * import { issueGrant, newGrantKey } from 'damselfly'
 *
 * const { key, issuer } = newGrantKey()
 * const peerId = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'
 * console.log(issuer, issueGrant({ key, peerId, match: 'registry.example/team/**' }))
 * ```
 * @public
 */
export function issueGrant(options: GrantOptions): string {
  const { ttlMs = defaultLifeMs, match, clock = systemClock } = options
  const key = readKey(options.key)
  const pattern = parsePattern(match)
  if (!pattern) throw badOption(`${quoted(match)} is no pattern of repositories: write registry/repository, or registry/**`)
  if (!(ttlMs >= 1000 && ttlMs <= maxGrantLifeMs)) throw badOption('a grant lasts from one second to 24 hours')
  const notBeforeMs = wholeSeconds(clock.wallMs())
  const terms = {
    issuer: publicBytes(key),
    nonce: randomBytes(nonceBytes),
    notBeforeMs,
    expiresMs: notBeforeMs + wholeSeconds(ttlMs),
    subject: readPeerId(options.peerId),
    pattern,
  }
  const signedBytes = grantSignedBytes(terms)
  return Buffer.from(encodeGrant(signedBytes, sign(null, signedBytes, key))).toString('base64url')
}

/**
 * A new key to sign grants with, and what its public half is called in rules. Keep the key in a file of mode 0600.
 * @public
 */
export function newGrantKey(): { key: string; issuer: string } {
  const { privateKey } = generateKeyPairSync('ed25519')
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  return { key, issuer: grantIssuer(key) }
}

/**
 * What the holder of a private key is called in rules: its public key, as 43 characters.
 *
 * @param key - PEM, PKCS #8, of an Ed25519 private key
 * @throws {@link RequestError} `ERR_REQUEST_OPTION`; the message does not show the key
 * @public
 */
export function grantIssuer(key: string): string {
  return printIssuer(publicBytes(readKey(key)))
}

/** A public key as text. */
export function printIssuer(issuer: Uint8Array): string {
  return Buffer.from(issuer).toString('base64url')
}

/** Whether a text is an issuer's public key. */
export function isIssuer(text: string): boolean {
  return issuerPattern.test(text) && Buffer.from(text, 'base64url').toString('base64url') === text
}

/** Reads the text of a grant; `undefined` when it is none. */
export function parseGrant(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text && decodeGrant(bytes) ? Uint8Array.from(bytes) : undefined
}

/** Whether a grant's signature is its issuer's. */
export function isGrantSigned({ issuer, signedBytes, signature }: Pick<Grant, 'issuer' | 'signedBytes' | 'signature'>): boolean {
  return isSignedBy(peerIdOfKey(issuer), signedBytes, signature)
}

function readKey(pem: string): KeyObject {
  try {
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch {
    // What it says might show part of the key.
  }
  throw badOption('that is no Ed25519 private key in PEM form: make one with openssl genpkey -algorithm ed25519, or damselfly grant --key FILE --new')
}

function publicBytes(key: KeyObject): Uint8Array {
  return Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x ?? '', 'base64url')
}

/** The binary form of a peer id. */
export function readPeerId(text: string): Uint8Array {
  const advice = `${quoted(text)} is no peer id: it looks like 12D3KooW…, see the ready line of the node`
  try {
    // The time that base58 takes grows with the square of the length.
    const bytes = text.length <= maxPeerIdLength ? peerIdFromString(text).toMultihash().bytes : undefined
    if (bytes && peerNameOf(bytes) !== undefined) return bytes
  } catch (cause) {
    throw new RequestError('ERR_REQUEST_OPTION', advice, { cause })
  }
  throw badOption(advice)
}

function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000
}

function badOption(message: string): RequestError {
  return new RequestError('ERR_REQUEST_OPTION', message)
}
