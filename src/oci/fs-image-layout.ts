import { createReadStream } from 'node:fs'
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { maxManifestBytes, mediaTypes, parseDescriptor, type Descriptor, type Platform } from '../core/descriptor.ts'
import { digestHex, type Digest } from '../core/digest.ts'
import { RequestError } from '../core/errors.ts'
import { parseAnnotations, parseEntryPlatform } from './image-manifest.ts'
import { isRecord, parseJsonObject } from './json.ts'

const layoutVersion = '1.0.0'
const refNameKey = 'org.opencontainers.image.ref.name'
const readBytes = 1024 * 1024

/** An entry of a layout's index: a manifest or an index of manifests. */
export interface LayoutEntry extends Descriptor {
  readonly platform?: Platform | undefined
}

/**
 * A folder with images as files: `oci-layout`, `index.json`, `blobs/sha256/<hex>`.
 * @see {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md}
 */
export class ImageLayout {
  readonly directory: string

  private constructor(directory: string) {
    this.directory = directory
  }

  /** Opens a folder, and makes it a layout if it is empty or absent. */
  static async create(directory: string): Promise<ImageLayout> {
    await mkdir(join(directory, 'blobs', 'sha256'), { recursive: true })
    const layout = new ImageLayout(directory)
    if (!(await exists(join(directory, 'oci-layout')))) {
      await replaceFile(join(directory, 'oci-layout'), JSON.stringify({ imageLayoutVersion: layoutVersion }))
    }
    return layout
  }

  /**
   * Opens a folder that is a layout.
   * @throws {@link RequestError} `ERR_REQUEST_OPTION` when it is none
   */
  static async open(directory: string): Promise<ImageLayout> {
    if (await exists(join(directory, 'oci-layout'))) return new ImageLayout(directory)
    throw new RequestError(
      'ERR_REQUEST_OPTION',
      `${directory} is not an OCI image layout: it has no oci-layout file; give a folder that has one, or a single file`,
    )
  }

  blobPath(digest: Digest): string {
    return join(this.directory, 'blobs', 'sha256', digestHex(digest))
  }

  read(digest: Digest): AsyncIterable<Uint8Array> {
    return createReadStream(this.blobPath(digest), { highWaterMark: readBytes })
  }

  async hasBlob({ digest, size }: Descriptor): Promise<boolean> {
    const found = await stat(this.blobPath(digest)).catch(() => undefined)
    return found?.size === size
  }

  /** What `index.json` names. */
  async entries(): Promise<LayoutEntry[]> {
    const path = join(this.directory, 'index.json')
    const bytes = await readFile(path).catch((cause: unknown) => {
      throw new RequestError('ERR_REQUEST_OPTION', `${path} cannot be read: the layout names no image`, { cause })
    })
    return parseLayoutIndex(bytes, path)
  }

  /** Adds an image to the index; one with the same name, or the same manifest, gives way. */
  async add(entry: LayoutEntry, name: string): Promise<void> {
    const before = (await exists(join(this.directory, 'index.json'))) ? await this.entries() : []
    const kept = before.filter(
      (other) => other.digest !== entry.digest && other.annotations?.[refNameKey] !== name,
    )
    const manifests = [...kept, { ...entry, annotations: { ...entry.annotations, [refNameKey]: name } }]
    const mediaType = mediaTypes.ociIndex
    await replaceFile(
      join(this.directory, 'index.json'),
      JSON.stringify({ schemaVersion: 2, mediaType, manifests }, undefined, 2),
    )
  }
}

/**
 * Reads the descriptors of an `index.json`.
 * @param path - of the file, for messages
 * @throws {@link RequestError}
 */
export function parseLayoutIndex(bytes: Uint8Array, path: string): LayoutEntry[] {
  if (bytes.byteLength > maxManifestBytes) {
    throw new RequestError('ERR_REQUEST_TOO_LARGE', `${path} has ${bytes.byteLength} bytes: that is no image index`)
  }
  const index = parseJsonObject(bytes)
  if (!index) throw new RequestError('ERR_REQUEST_OPTION', `${path} is not a JSON object`)
  const manifests = index['manifests']
  if (!Array.isArray(manifests)) {
    throw new RequestError('ERR_REQUEST_OPTION', `${path} has no list of manifests`)
  }
  return manifests.map((entry: unknown) => {
    if (!isRecord(entry)) throw new RequestError('ERR_REQUEST_OPTION', `${path} lists something that is not a descriptor`)
    const platform = parseEntryPlatform(entry['platform'])
    return { ...parseDescriptor({ ...entry, annotations: parseAnnotations(entry['annotations']) }), ...(platform && { platform }) }
  })
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false)
}

/** Whole or not at all: a reader never sees half a file. */
async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  try {
    await writeFile(temporary, text)
    await rename(temporary, path)
  } finally {
    await rm(temporary, { force: true })
  }
}
