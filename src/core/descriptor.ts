import { parseDigest, type Digest } from './digest.ts'
import { RequestError } from './errors.ts'
import { quoted } from './quoted.ts'

/**
 * Names a blob and says how large it is.
 * @see {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md}
 * @public
 */
export interface Descriptor {
  /** What the bytes are; opaque to the swarm. */
  readonly mediaType: string
  readonly digest: Digest
  /** Length of the blob, in bytes. */
  readonly size: number
  readonly annotations?: Readonly<Record<string, string>> | undefined
}

/**
 * What an image runs on.
 * @see {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md#image-index-property-descriptions}
 * @public
 */
export interface Platform {
  /** As in GOOS: `linux`, `windows`. */
  readonly os: string
  /** As in GOARCH: `amd64`, `arm64`. */
  readonly architecture: string
  /** Of the architecture: `v7`, `v8`. */
  readonly variant?: string | undefined
  readonly 'os.version'?: string | undefined
}

/** Media types of manifests and indexes, OCI and Docker. */
export const mediaTypes = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  octetStream: 'application/octet-stream',
} as const

/** Largest blob that is accepted, in bytes: 1 TiB, far below 2^53, so that sizes stay exact. */
export const maxBlobBytes: number = 2 ** 40
/** Largest manifest that is accepted, in bytes (distribution-spec 1.1, "Pushing Manifests"). */
export const maxManifestBytes: number = 4 * 1024 * 1024

/**
 * Checks a size that came from outside.
 * @throws {@link RequestError} `ERR_REQUEST_SIZE`
 */
export function parseSize(size: unknown): number {
  if (typeof size === 'number' && Number.isSafeInteger(size) && size >= 0 && size <= maxBlobBytes) {
    return size
  }
  throw new RequestError(
    'ERR_REQUEST_SIZE',
    `${quoted(size)} is not a blob size: give whole bytes from 0 to ${maxBlobBytes}`,
  )
}

/**
 * Checks a descriptor that came from outside and keeps the fields that we know.
 * @throws {@link RequestError} `ERR_REQUEST_DIGEST` or `ERR_REQUEST_SIZE`
 */
export function parseDescriptor(value: {
  mediaType?: unknown
  digest?: unknown
  size?: unknown
  annotations?: Readonly<Record<string, string>> | undefined
}): Descriptor {
  return {
    mediaType: typeof value.mediaType === 'string' ? value.mediaType : mediaTypes.octetStream,
    digest: parseDigest(typeof value.digest === 'string' ? value.digest : quoted(value.digest)),
    size: parseSize(value.size),
    ...(value.annotations && { annotations: value.annotations }),
  }
}
