import { sameBytes } from './claim.ts'
import { maxPatternBytes, parsePattern, type RepositoryPattern } from './repository-pattern.ts'
import { clockToleranceMs } from './sharing-rules.ts'

/** Longest life of a grant, in milliseconds. */
export const maxGrantLifeMs = 86_400_000
/** Longest grant, in bytes. */
export const maxGrantBytes = 450

const version = 1
const issuerBytes = 32
const nonceBytes = 16
const maxSubjectBytes = 64
const signatureBytes = 64
/** Up to the length of the subject. */
const headBytes = 1 + issuerBytes + nonceBytes + 16
const context = new TextEncoder().encode('damselfly/grant/1\0')
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** What an issuer says of a peer; docs/spec/sharing.md. */
export interface GrantTerms {
  /** Ed25519 public key, 32 bytes. */
  readonly issuer: Uint8Array
  /** 16 random bytes. */
  readonly nonce: Uint8Array
  /** Wall clock, in whole seconds. */
  readonly notBeforeMs: number
  readonly expiresMs: number
  /** Peer id in binary form. */
  readonly subject: Uint8Array
  readonly pattern: RepositoryPattern
}

/** A grant whose form is right; whether its issuer signed it is another question. */
export interface Grant extends GrantTerms {
  /** What the issuer signs. */
  readonly signedBytes: Uint8Array
  readonly signature: Uint8Array
}

/** The bytes that the issuer signs. The terms must be within the limits that {@link decodeGrant} checks. */
export function grantSignedBytes({ issuer, nonce, notBeforeMs, expiresMs, subject, pattern }: GrantTerms): Uint8Array {
  const text = new TextEncoder().encode(pattern.text)
  const bytes = new Uint8Array(context.byteLength + headBytes + 1 + subject.byteLength + 1 + text.byteLength)
  bytes.set(context)
  const body = bytes.subarray(context.byteLength)
  const view = new DataView(bytes.buffer, context.byteLength)
  body[0] = version
  body.set(issuer, 1)
  body.set(nonce, 1 + issuerBytes)
  view.setBigUint64(headBytes - 16, BigInt(notBeforeMs / 1000))
  view.setBigUint64(headBytes - 8, BigInt(expiresMs / 1000))
  body[headBytes] = subject.byteLength
  body.set(subject, headBytes + 1)
  body[headBytes + 1 + subject.byteLength] = text.byteLength
  body.set(text, headBytes + 2 + subject.byteLength)
  return bytes
}

/** A signed grant, as it is stored and sent. */
export function encodeGrant(signedBytes: Uint8Array, signature: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(signedBytes.byteLength - context.byteLength + signatureBytes)
  bytes.set(signedBytes.subarray(context.byteLength))
  bytes.set(signature, bytes.byteLength - signatureBytes)
  return bytes
}

/** Reads a grant; `undefined` when it has not the one form that there is. It shares no memory with `bytes`. */
export function decodeGrant(bytes: Uint8Array): Grant | undefined {
  if (bytes.byteLength > maxGrantBytes || bytes.byteLength < headBytes + 2 + signatureBytes || bytes[0] !== version) return undefined
  const subjectLength = bytes[headBytes] ?? 0
  const patternStart = headBytes + 2 + subjectLength
  const patternLength = bytes[patternStart - 1] ?? 0
  const end = patternStart + patternLength
  if (subjectLength < 1 || subjectLength > maxSubjectBytes || patternLength < 1 || patternLength > maxPatternBytes) return undefined
  if (end + signatureBytes !== bytes.byteLength) return undefined
  const copy = Uint8Array.from(bytes)
  const times = new DataView(copy.buffer, headBytes - 16, 16)
  const notBeforeMs = Number(times.getBigUint64(0)) * 1000
  const expiresMs = Number(times.getBigUint64(8)) * 1000
  const lifeMs = expiresMs - notBeforeMs
  if (!Number.isSafeInteger(expiresMs) || lifeMs <= 0 || lifeMs > maxGrantLifeMs) return undefined
  const pattern = readPattern(copy.subarray(patternStart, end))
  if (!pattern) return undefined
  const signedBytes = new Uint8Array(context.byteLength + end)
  signedBytes.set(context)
  signedBytes.set(copy.subarray(0, end), context.byteLength)
  return {
    issuer: copy.subarray(1, 1 + issuerBytes),
    nonce: copy.subarray(1 + issuerBytes, headBytes - 16),
    notBeforeMs,
    expiresMs,
    subject: copy.subarray(headBytes + 1, patternStart - 1),
    pattern,
    signedBytes,
    signature: copy.subarray(end),
  }
}

/**
 * Whether a grant is good for who shows it, now. All is looked at whatever else is wrong, so that the time taken says nothing.
 *
 * @param facts - `isSigned` is whether the signature is the issuer's, `peerId` who shows it, in binary form
 */
export function grantCounts(grant: Grant, facts: { isSigned: boolean; peerId: Uint8Array; nowMs: number }): boolean {
  const isTheirs = sameBytes(grant.subject, facts.peerId)
  const hasBegun = facts.nowMs >= grant.notBeforeMs - clockToleranceMs
  const lasts = facts.nowMs <= grant.expiresMs + clockToleranceMs
  return [facts.isSigned, isTheirs, hasBegun, lasts].every(Boolean)
}

function readPattern(bytes: Uint8Array): RepositoryPattern | undefined {
  try {
    return parsePattern(utf8.decode(bytes))
  } catch {
    return undefined
  }
}
