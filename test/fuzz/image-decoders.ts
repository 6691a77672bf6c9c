import fc from 'fast-check'
import { mediaTypes, type Platform } from '../../src/core/descriptor.ts'
import { findCredentials } from '../../src/oci/docker-config.ts'
import { parseHelperAnswer } from '../../src/oci/credential-helper.ts'
import type { RegistryAuth } from '../../src/oci/credential.ts'
import { parseLayoutIndex } from '../../src/oci/fs-image-layout.ts'
import { parseManifest, type ImageIndex, type ImageManifest } from '../../src/oci/image-manifest.ts'
import { parseJsonObject } from '../../src/oci/json.ts'
import { choosePlatform, parsePlatform, printPlatform } from '../../src/oci/platform.ts'
import { SettingsTable, type RegistryOptions } from '../../src/oci/registry-settings.ts'
import { RequestError } from '../../src/core/errors.ts'
import { digest } from '../wire/arbitrary-message.ts'
import { bytesOfText, codes, decoder, jsonBytes, textOf, type Decoder } from './decoder.ts'
import { fromJson } from './value-decoders.ts'

const size = fc.integer({ min: 1, max: 2 ** 31 })
const annotations = fc.dictionary(fc.string({ maxLength: 10 }), fc.string({ maxLength: 10 }), { maxKeys: 3, noNullPrototype: true })
const blob = fc.record({ mediaType: fc.constant(mediaTypes.octetStream), digest, size, annotations }, { requiredKeys: ['mediaType', 'digest', 'size'], noNullPrototype: true })
const platform: fc.Arbitrary<Platform> = fc.constantFrom<Platform>(
  { os: 'linux', architecture: 'amd64' },
  { os: 'linux', architecture: 'arm', variant: 'v7' },
  { os: 'windows', architecture: 'amd64', 'os.version': '10.0.17763.1' },
  { os: 'unknown', architecture: 'unknown' },
)
const entry = fc.record(
  { mediaType: fc.constant(mediaTypes.ociManifest), digest, size, platform, annotations },
  { requiredKeys: ['mediaType', 'digest', 'size'], noNullPrototype: true },
)
const manifest: fc.Arbitrary<ImageManifest> = fc.record(
  {
    kind: fc.constant('manifest' as const),
    mediaType: fc.constantFrom(mediaTypes.ociManifest, mediaTypes.dockerManifest),
    config: blob,
    layers: fc.array(blob, { maxLength: 5 }),
  },
  { noNullPrototype: true },
)
const index: fc.Arbitrary<ImageIndex> = fc.record(
  { kind: fc.constant('index' as const), mediaType: fc.constantFrom(mediaTypes.ociIndex, mediaTypes.dockerIndex), manifests: fc.array(entry, { maxLength: 5 }) },
  { noNullPrototype: true },
)

function printManifest(document: ImageManifest | ImageIndex): Uint8Array {
  return jsonBytes({ schemaVersion: 2, ...document, kind: undefined })
}

const words = ['schemaVersion', 'manifests', 'layers', 'config', 'mediaType', 'digest', 'size', 'annotations', 'platform', 'urls', ...Object.values(mediaTypes)]
/** What a field costs besides its bytes: objects of few fields, digests of 71 characters. */
const documentUnits = (inputBytes: number): number => 4 * inputBytes + 256

function inBounds(document: ImageManifest | ImageIndex): boolean {
  const listed = document.kind === 'index' ? document.manifests : document.layers
  return listed.length <= 1000 && listed.every(({ size, digest }) => size > 0 && typeof digest === 'string')
}

const auth = fc.tuple(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }), fc.string({ maxLength: 8 })).map(([user, password]) => Buffer.from(`${user}:${password}`).toString('base64'))
const configEntry = fc.oneof(
  fc.record({ auth }),
  fc.record({ username: fc.string({ minLength: 1 }), password: fc.string({ minLength: 1 }) }),
  fc.record({ identitytoken: fc.string({ minLength: 1 }) }),
)
const registryKey = fc.constantFrom('reg.example', 'https://reg.example/v1/', 'reg.example/team', 'docker.io', 'other')
const config = fc
  .record(
    {
      auths: fc.dictionary(registryKey, configEntry, { noNullPrototype: true }),
      credHelpers: fc.dictionary(registryKey, fc.constantFrom('pass', 'ecr-login'), { noNullPrototype: true }),
      credsStore: fc.constantFrom('desktop', ''),
      HttpHeaders: fc.constant({}),
    },
    { requiredKeys: [], noNullPrototype: true },
  )
  .map(jsonBytes)

const registryOptions: fc.Arbitrary<Record<string, RegistryOptions>> = fc.dictionary(
  fc.constantFrom('reg.example', 'localhost:5000', 'docker.io'),
  fc.record<RegistryOptions>(
    { url: fc.constant('https://mirror.example:8443'), insecure: fc.boolean(), mirrors: fc.constant(['https://m.example']), trustedRealms: fc.constant(['auth.example']) },
    { requiredKeys: [], noNullPrototype: true },
  ),
  { noNullPrototype: true },
)

export const imageDecoders: readonly Decoder[] = [
  decoder<ImageManifest | ImageIndex>({
    name: 'manifest',
    covers: ['oci/image-manifest.ts#parseManifest'],
    kind: 'json',
    read: (bytes) => parseManifest(bytes),
    refuses: codes('ERR_ORIGIN_TYPE', 'ERR_ORIGIN_SIZE'),
    values: manifest,
    print: printManifest,
    words,
    maxUnits: documentUnits,
    holds: inBounds,
  }),
  decoder<ImageManifest | ImageIndex>({
    name: 'index',
    covers: ['oci/image-manifest.ts#parseManifest'],
    kind: 'json',
    read: (bytes) => parseManifest(bytes),
    refuses: codes('ERR_ORIGIN_TYPE', 'ERR_ORIGIN_SIZE'),
    values: index,
    print: printManifest,
    words,
    maxUnits: documentUnits,
    holds: inBounds,
  }),
  decoder<string>({
    name: 'platform-choice',
    covers: ['oci/platform.ts#choosePlatform'],
    kind: 'json',
    read(bytes) {
      const document = parseManifest(bytes)
      return document.kind === 'index' ? choosePlatform(document, { os: 'linux', architecture: 'amd64' }).digest : undefined
    },
    refuses: codes('ERR_ORIGIN_TYPE', 'ERR_ORIGIN_SIZE', 'ERR_REQUEST_PLATFORM'),
    samples: fc.array(entry, { maxLength: 4 }).chain((more) =>
      entry.map((own) => printManifest({ kind: 'index', mediaType: mediaTypes.ociIndex, manifests: [...more, { ...own, platform: { os: 'linux', architecture: 'amd64' } }] })),
    ),
    words: ['os', 'architecture', 'variant', 'os.version', 'linux', 'amd64', 'x86_64', 'v8', '8', '\\u001b[2J', 'platform'],
  }),
  decoder<readonly object[]>({
    name: 'layout-index',
    covers: ['oci/fs-image-layout.ts#parseLayoutIndex', 'oci/image-manifest.ts#parseEntryPlatform', 'oci/image-manifest.ts#parseAnnotations'],
    kind: 'json',
    read: (bytes) => parseLayoutIndex(bytes, '/layout/index.json'),
    refuses: (error) => error instanceof RequestError,
    values: fc.array(entry, { maxLength: 5 }),
    print: (manifests) => jsonBytes({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests }),
    words,
    maxUnits: documentUnits,
    holds: (entries) => entries.every((each) => !('platform' in each) || typeof (each.platform as Platform).os === 'string'),
  }),
  decoder<Platform>({
    name: 'platform',
    covers: ['oci/platform.ts#parsePlatform'],
    kind: 'text',
    read: (bytes) => parsePlatform(textOf(bytes)),
    refuses: codes('ERR_REQUEST_PLATFORM'),
    samples: platform.map((value) => bytesOfText(printPlatform(value))),
    print: (value) => bytesOfText(printPlatform(value)),
    words: ['linux', '/', '/v8', 'x86_64', 'armhf', 'ARM64', '//', '/8', 'windows'],
  }),
  decoder<object>({
    name: 'json-object',
    covers: ['oci/json.ts#parseJsonObject'],
    kind: 'json',
    read: parseJsonObject,
    samples: fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }).map(jsonBytes),
    maxUnits: (inputBytes) => 4 * inputBytes + 64,
  }),
  decoder<readonly object[]>({
    name: 'docker-config',
    covers: ['oci/docker-config.ts#findCredentials', 'oci/docker-config.ts#decodePair'],
    kind: 'json',
    read: (bytes) => findCredentials(bytes, { registry: 'reg.example', repository: 'team/app' }, '/home/me/config.json'),
    refuses: codes('ERR_REQUEST_OPTION'),
    samples: config,
    words: ['auths', 'credHelpers', 'credsStore', 'auth', 'username', 'password', 'identitytoken', 'registrytoken', 'reg.example', '../sh', 'https://reg.example/', '////', '<token>', 'OjA='],
    maxUnits: (inputBytes) => inputBytes + 256,
  }),
  decoder<RegistryAuth | string>({
    name: 'credential-helper-answer',
    covers: ['oci/credential-helper.ts#parseHelperAnswer'],
    kind: 'json',
    read: (bytes) => parseHelperAnswer(bytes, 'docker-credential-pass') ?? 'none',
    refuses: codes('ERR_REQUEST_OPTION'),
    samples: fc.record({ ServerURL: fc.string(), Username: fc.string(), Secret: fc.string() }, { noNullPrototype: true }).map(jsonBytes),
    words: ['Username', 'Secret', '<token>'],
  }),
  decoder<string>({
    name: 'registry-settings',
    covers: ['oci/registry-settings.ts#SettingsTable', 'oci/registry-settings.ts#parseUrl'],
    kind: 'json',
    read(bytes) {
      const options = fromJson(bytes)?.document as Record<string, RegistryOptions> | undefined
      return isOptions(options) ? new SettingsTable(options).of('reg.example').url.href : undefined
    },
    refuses: codes('ERR_REQUEST_OPTION'),
    samples: registryOptions.filter((options) => isGood(options)).map(jsonBytes),
    words: ['url', 'insecure', 'mirrors', 'ca', 'trustedRealms', 'http://', 'https://u:p@', '-----BEGIN CERTIFICATE-----\\nAA==\\n-----END CERTIFICATE-----'],
    maxUnits: (inputBytes) => 12 * inputBytes + 256,
  }),
]

/** Whether values have the types that TypeScript asks of a caller: others are not foreign bytes, but a program that does not compile. */
function isOptions(options: unknown): options is Record<string, RegistryOptions> {
  const isTexts = (value: unknown): boolean => value === undefined || (Array.isArray(value) && value.every((text) => typeof text === 'string'))
  const isText = (value: unknown): boolean => value === undefined || typeof value === 'string'
  return (
    typeof options === 'object' &&
    options !== null &&
    Object.values(options).every(
      (each: unknown) =>
        typeof each === 'object' &&
        each !== null &&
        (['url', 'ca'] as const).every((name) => isText(Reflect.get(each, name))) &&
        (['mirrors', 'trustedRealms'] as const).every((name) => isTexts(Reflect.get(each, name))),
    )
  )
}

function isGood(options: Record<string, RegistryOptions>): boolean {
  try {
    return new SettingsTable(options).of('reg.example') !== undefined
  } catch {
    return false
  }
}
