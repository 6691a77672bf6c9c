import {
  maxBlobBytes,
  mediaTypes,
  parseDescriptor,
  type Descriptor,
  type Platform,
} from '../core/descriptor.ts'
import { OriginError, RequestError } from '../core/errors.ts'
import { quoted } from '../core/quoted.ts'
import { isRecord, parseJsonObject } from './json.ts'

/**
 * What one image consists of.
 * @see {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md}
 * @public
 */
export interface ImageManifest {
  readonly kind: 'manifest'
  readonly mediaType: string
  readonly config: Descriptor
  /** The base layer first. */
  readonly layers: readonly Descriptor[]
}

/**
 * One manifest of an index.
 * @public
 */
export interface IndexEntry extends Descriptor {
  readonly platform?: Platform | undefined
}

/**
 * One image for several platforms.
 * @see {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md}
 * @public
 */
export interface ImageIndex {
  readonly kind: 'index'
  readonly mediaType: string
  readonly manifests: readonly IndexEntry[]
}

const maxLayers = 512
const maxIndexEntries = 1000

const kinds: ReadonlyMap<string, 'manifest' | 'index'> = new Map([
  [mediaTypes.ociManifest, 'manifest'],
  [mediaTypes.dockerManifest, 'manifest'],
  [mediaTypes.ociIndex, 'index'],
  [mediaTypes.dockerIndex, 'index'],
])

/** Media types that {@link parseManifest} reads, the preferred ones first; for `Accept`. */
export const manifestMediaTypes: readonly string[] = [...kinds.keys()]

/**
 * Reads a manifest or an index, OCI or Docker schema 2. Unknown fields are ignored, `urls` of layers among them: what
 * a manifest says of other servers is not followed.
 *
 * @param bytes - as they came; the digest is over these
 * @param contentType - what the registry said they are; left out for bytes that were found by their digest
 * @throws {@link OriginError} `ERR_ORIGIN_TYPE` when it is neither, or could be read as both; `ERR_ORIGIN_SIZE` when
 * sizes or counts are out of bounds
 */
export function parseManifest(bytes: Uint8Array, contentType?: string): ImageManifest | ImageIndex {
  const json = parseJsonObject(bytes)
  if (!json) throw badType('it is not a JSON object')
  if (json['schemaVersion'] !== 2) {
    throw badType('it is not of schema version 2; push the image again with a current tool')
  }
  const kind = kindOf(json)
  const mediaType = mediaTypeOf(json['mediaType'], contentType, kind)
  return kind === 'index'
    ? {
        kind,
        mediaType,
        manifests: parseList(json['manifests'], 'manifests', maxIndexEntries, parseIndexEntry),
      }
    : { kind, mediaType, ...parseContent(json) }
}

/** One document that some clients read as a manifest and others as an index would be two images under one digest. */
function kindOf(json: Readonly<Record<string, unknown>>): 'manifest' | 'index' {
  const isIndex = json['manifests'] !== undefined
  const isManifest = json['layers'] !== undefined || json['config'] !== undefined
  if (isIndex && isManifest) throw badType('it has fields of a manifest and of an index')
  if (!isIndex && !isManifest) throw badType('it has neither layers nor manifests')
  return isIndex ? 'index' : 'manifest'
}

function mediaTypeOf(
  declared: unknown,
  contentType: string | undefined,
  kind: 'manifest' | 'index',
): string {
  const sent = contentType?.split(';', 1)[0]?.trim().toLowerCase()
  if (declared !== undefined && typeof declared !== 'string') {
    throw badType('its mediaType is not text')
  }
  if (declared !== undefined && sent !== undefined && declared.toLowerCase() !== sent) {
    throw badType(`it says that it is ${quoted(declared)}, and the registry that it is ${quoted(sent)}`)
  }
  const inferred = kind === 'index' ? mediaTypes.ociIndex : mediaTypes.ociManifest
  const said = declared?.toLowerCase() ?? (kinds.has(sent ?? '') ? sent : undefined) ?? inferred
  if (kinds.get(said) !== kind) {
    throw badType(`its type is ${quoted(said)}, and its fields are those of ${quoted(inferred)}`)
  }
  return said
}

function parseContent(
  json: Readonly<Record<string, unknown>>,
): Pick<ImageManifest, 'config' | 'layers'> {
  const config = readDescriptor(json['config'], 'config')
  const layers = parseList(json['layers'], 'layers', maxLayers, readDescriptor)
  const total = layers.reduce((sum, layer) => sum + layer.size, config.size)
  if (total > maxBlobBytes) {
    throw badSize(`its layers have ${total} bytes together, over the limit of ${maxBlobBytes}`)
  }
  return { config, layers }
}

function parseList<T>(
  value: unknown,
  name: string,
  most: number,
  parse: (item: unknown, where: string) => T,
): T[] {
  if (!Array.isArray(value)) throw badType(`${name} is not a list`)
  if (value.length > most) {
    throw badSize(`it has ${value.length} ${name}, over the limit of ${most}`)
  }
  return value.map((item: unknown, index) => parse(item, `${name}[${index}]`))
}

function readDescriptor(value: unknown, where: string): Descriptor {
  if (!isRecord(value)) throw badType(`${where} is not a descriptor`)
  if (value['size'] === 0) throw badSize(`${where} is said to be empty`)
  try {
    return parseDescriptor({ ...value, annotations: parseAnnotations(value['annotations']) })
  } catch (error) {
    if (!(error instanceof RequestError)) throw error
    const refuse = error.code === 'ERR_REQUEST_SIZE' ? badSize : badType
    throw refuse(`${where}: ${error.message}`, error)
  }
}

function parseIndexEntry(value: unknown, where: string): IndexEntry {
  const descriptor = readDescriptor(value, where)
  const platform = isRecord(value) ? parseEntryPlatform(value['platform']) : undefined
  return { ...descriptor, ...(platform && { platform }) }
}

/** The platform of an entry of an index; `undefined` when it names none. */
export function parseEntryPlatform(value: unknown): Platform | undefined {
  if (!isRecord(value)) return undefined
  const { os, architecture, variant } = value
  if (typeof os !== 'string' || typeof architecture !== 'string') return undefined
  const version = value['os.version']
  return {
    os,
    architecture,
    ...(typeof variant === 'string' && variant && { variant }),
    ...(typeof version === 'string' && version && { 'os.version': version }),
  }
}

/** Annotations, as far as they are text. */
export function parseAnnotations(value: unknown): Record<string, string> | undefined {
  if (!isRecord(value)) return undefined
  return Object.fromEntries(
    Object.entries(value).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    ),
  )
}

function badType(reason: string, cause?: unknown): OriginError {
  return new OriginError('ERR_ORIGIN_TYPE', `this is no image manifest that we read: ${reason}`, {
    cause,
  })
}

function badSize(reason: string, cause?: unknown): OriginError {
  return new OriginError('ERR_ORIGIN_SIZE', `this image manifest is out of bounds: ${reason}`, {
    cause,
  })
}
