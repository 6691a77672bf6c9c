import fc from 'fast-check'
import { parseDescriptor, parseSize, type Descriptor } from '../../src/core/descriptor.ts'
import { digestFromBytes, digestToBytes, parseDigest, type Digest } from '../../src/core/digest.ts'
import { parseIp, parseIpRange, type IpAddress, type IpRange } from '../../src/core/ip-address.ts'
import { parseReference, parseRegistry, printReference, type Reference } from '../../src/core/reference.ts'
import { parseGrant } from '../../src/net/grants.ts'
import { parseAnnotations } from '../../src/oci/image-manifest.ts'
import { isRecord } from '../../src/oci/json.ts'
import { decodeGrant, encodeGrant, grantSignedBytes, maxGrantBytes, type Grant } from '../../src/trust/grant.ts'
import { matchesPattern, parsePattern, type RepositoryPattern } from '../../src/trust/repository-pattern.ts'
import { bytes, digest } from '../wire/arbitrary-message.ts'
import { bytesOfText, codes, decoder, jsonBytes, textOf, type Decoder } from './decoder.ts'

const registry = fc.constantFrom('docker.io', 'ghcr.io', 'localhost:5000', '[::1]:5000', 'reg.example')
const component = fc.stringMatching(/^[a-z0-9]{1,8}([._-][a-z0-9]{1,8}){0,2}$/)
const repository = fc.array(component, { minLength: 2, maxLength: 4 }).map((parts) => parts.join('/'))

const reference: fc.Arbitrary<Reference> = fc
  .tuple(registry, repository, fc.option(fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}$/)), fc.option(digest))
  .map(([registry, repository, tag, digest]) => ({
    registry,
    repository,
    ...(tag !== null || digest === null ? { tag: tag ?? 'latest' } : {}),
    ...(digest !== null && { digest }),
  }))

const patternPart = fc.oneof(fc.constant('*'), fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }).filter((text) => /^[^\s*/]+$/.test(text)))
export const pattern: fc.Arbitrary<RepositoryPattern> = fc
  .tuple(fc.array(patternPart, { minLength: 2, maxLength: 5 }), fc.constantFrom('', '/**'))
  .map(([parts, end]) => ({ text: parts.join('/') + end, parts, open: end !== '' }))

const grant: fc.Arbitrary<Grant> = fc
  .tuple(bytes(32, 32), bytes(16, 16), fc.nat(2 ** 31), fc.integer({ min: 1, max: 86_400 }), bytes(64, 1), pattern, bytes(64, 64))
  .map(([issuer, nonce, beginSeconds, lifeSeconds, subject, pattern, signature]) => {
    const terms = { issuer, nonce, notBeforeMs: beginSeconds * 1000, expiresMs: (beginSeconds + lifeSeconds) * 1000, subject, pattern }
    return { ...terms, signedBytes: grantSignedBytes(terms), signature }
  })

const descriptor: fc.Arbitrary<Descriptor> = fc
  .tuple(fc.string(), digest, fc.nat(), fc.option(fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 })))
  .map(([mediaType, digest, size, annotations]) => ({ mediaType, digest, size, ...(annotations && { annotations }) }))

/** The document in bytes that are JSON; `undefined` for others, which no caller hands on. */
export function fromJson(bytes: Uint8Array): { readonly document: unknown } | undefined {
  try {
    return { document: JSON.parse(textOf(bytes)) }
  } catch {
    return undefined
  }
}

export const valueDecoders: readonly Decoder[] = [
  decoder<Digest>({
    name: 'digest',
    covers: ['core/digest.ts#parseDigest', 'core/digest.ts#digestFromBytes'],
    kind: 'text',
    read: (bytes) => parseDigest(textOf(bytes)),
    refuses: codes('ERR_REQUEST_DIGEST'),
    values: digest,
    print: bytesOfText,
    exact: true,
    words: ['sha256:', 'sha512:', 'sha256', ':', 'A', 'g', '\n'],
    holds: (value) => digestFromBytes(digestToBytes(value)) === value,
  }),
  decoder<Reference>({
    name: 'reference',
    covers: ['core/reference.ts#parseReference'],
    kind: 'text',
    read: (bytes) => parseReference(textOf(bytes)),
    refuses: codes('ERR_REQUEST_NAME', 'ERR_REQUEST_DIGEST'),
    values: reference,
    print: (value) => bytesOfText(printReference(value)),
    words: ['docker.io/', 'index.docker.io/', 'localhost', ':latest', '@sha256:', '@', ':', '/', '..', '__', 'https://', '[::1]', ':65536', '-', '_'],
    maxUnits: (inputBytes) => 2 * inputBytes + 128,
  }),
  decoder<string>({
    name: 'registry-name',
    covers: ['core/reference.ts#parseRegistry'],
    kind: 'text',
    read: (bytes) => parseRegistry(textOf(bytes)),
    values: registry,
    print: bytesOfText,
    words: ['localhost', '[::1]', ':0', ':99999', '0x7f.1', '.', '-', '@', 'xn--'],
  }),
  decoder<Descriptor>({
    name: 'descriptor',
    covers: ['core/descriptor.ts#parseDescriptor'],
    kind: 'json',
    read(bytes) {
      const json = fromJson(bytes)
      return isRecord(json?.document) ? parseDescriptor({ ...json.document, annotations: parseAnnotations(json.document['annotations']) }) : undefined
    },
    refuses: codes('ERR_REQUEST_DIGEST', 'ERR_REQUEST_SIZE'),
    values: descriptor,
    print: jsonBytes,
    holds: ({ digest, mediaType }) => typeof digest === 'string' && typeof mediaType === 'string',
  }),
  decoder<number>({
    name: 'size',
    covers: ['core/descriptor.ts#parseSize'],
    kind: 'json',
    read: (bytes) => parseSize(fromJson(bytes)?.document),
    refuses: codes('ERR_REQUEST_SIZE'),
    values: fc.oneof(fc.nat(), fc.integer({ min: 0, max: 2 ** 40 })),
    print: jsonBytes,
  }),
  decoder<IpAddress>({
    name: 'ip-address',
    covers: ['core/ip-address.ts#parseIp'],
    kind: 'text',
    read: (bytes) => parseIp(textOf(bytes)),
    samples: fc.oneof(fc.ipV4(), fc.ipV6()).map(bytesOfText),
    words: [':', '::', '.', '%eth0', '[', ']', '::ffff:', '255', '256', '00', 'ffff'],
    holds: (address) => (address.length === 4 || address.length === 16) && address.every((byte) => byte >= 0 && byte <= 255),
  }),
  decoder<IpRange>({
    name: 'ip-range',
    covers: ['core/ip-address.ts#parseIpRange'],
    kind: 'text',
    read: (bytes) => parseIpRange(textOf(bytes), 'the range'),
    refuses: codes('ERR_REQUEST_OPTION'),
    samples: fc.oneof(
      fc.tuple(fc.ipV4(), fc.nat(32)).map(([address, bits]) => bytesOfText(`${address}/${bits}`)),
      fc.tuple(fc.ipV6(), fc.nat(32)).map(([address, bits]) => bytesOfText(`${address}/${bits}`)),
    ),
    words: ['/', '/33', '/129', '/-1', '/1e1', '::', '%'],
    holds: ({ network, bits }) => bits >= 0 && bits <= 8 * network.length,
  }),
  decoder<RepositoryPattern>({
    name: 'repository-pattern',
    covers: ['trust/repository-pattern.ts#parsePattern'],
    kind: 'text',
    read: (bytes) => parsePattern(textOf(bytes)),
    values: pattern.filter(({ text }) => bytesOfText(text).byteLength <= 255),
    print: ({ text }) => bytesOfText(text),
    words: ['*', '**', '/', '/**', '//', '***', ' '],
    maxUnits: (inputBytes) => 4 * inputBytes + 64,
    holds: (value) => !value.parts.includes('*') && !value.open ? matchesPattern(value, value.text) : true,
  }),
  decoder<Grant>({
    name: 'grant',
    covers: ['trust/grant.ts#decodeGrant'],
    kind: 'binary',
    read: decodeGrant,
    values: grant,
    print: (value) => encodeGrant(grantSignedBytes(value), value.signature),
    exact: true,
    maxUnits: (inputBytes) => 4 * inputBytes + 128,
  }),
  decoder<Uint8Array>({
    name: 'grant-text',
    covers: ['net/grants.ts#parseGrant'],
    kind: 'text',
    read: (bytes) => parseGrant(textOf(bytes)),
    values: grant.map((value) => encodeGrant(grantSignedBytes(value), value.signature)),
    print: (value) => bytesOfText(Buffer.from(value).toString('base64url')),
    exact: true,
    words: ['=', '+', '/', '-', '_', 'A'],
    holds: (value) => value.byteLength <= maxGrantBytes,
  }),
]
