import { randomBytes } from 'node:crypto'
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../tools.ts'

const mib = 1024 * 1024

/** An image as its builder wrote it. */
export interface RealImage {
  /** `test/app` */
  readonly repository: string
  /** Of its manifest, or of its index. */
  readonly digest: string
  /** Of its manifest for this machine. */
  readonly manifest: string
  /** Of its config: what engines call the image. */
  readonly config: string
  /** Length of the manifest and all that it names. */
  readonly sizeBytes: number
  readonly layout: string
}

/** This machine's, as images call it. */
const architecture = process.arch === 'x64' ? 'amd64' : process.arch
/** Those that {@link buildIndex} builds for. */
const architectures: readonly string[] = [architecture, architecture === 'arm64' ? 'amd64' : 'arm64']

/** An image for this machine whose entry point is a shell that needs no other file, made by umoci. */
export async function buildImage(directory: string, repository: string, layerBytes: readonly number[] = [3 * mib]): Promise<RealImage> {
  const layout = join(directory, repository.replace('/', '-'))
  await run('umoci', ['init', '--layout', layout])
  const image = `${layout}:v1`
  await run('umoci', ['new', '--image', image])
  const busybox = join(layout, 'busybox')
  mkdirSync(busybox)
  copyFileSync('/bin/busybox', join(busybox, 'busybox'))
  chmodSync(join(busybox, 'busybox'), 0o755)
  await run('umoci', ['insert', '--image', image, busybox, '/bin'])
  for (const [index, sizeBytes] of layerBytes.entries()) {
    const folder = join(layout, `layer-${index}`)
    mkdirSync(folder)
    writeFileSync(join(folder, 'data'), randomBytes(sizeBytes))
    await run('umoci', ['insert', '--image', image, folder, `/data-${index}`])
  }
  await run('umoci', ['config', '--image', image, '--architecture', architecture, '--os', 'linux', '--config.entrypoint', '/bin/busybox'])
  const { manifests } = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'))
  const digest: string = manifests[0].digest
  return { repository, digest, manifest: digest, layout, ...contentsOf(layout, digest) }
}

/** An index for this machine and another, made by buildah. */
export async function buildIndex(directory: string, repository: string): Promise<RealImage> {
  const env = {
    ...process.env,
    BUILDAH_ISOLATION: 'chroot',
    CONTAINERS_STORAGE_CONF: join(directory, 'build-storage.conf'),
    TMPDIR: directory,
  }
  writeFileSync(env.CONTAINERS_STORAGE_CONF, storageConfig(join(directory, 'build')))
  await run('buildah', ['manifest', 'create', 'multi'], { env })
  for (const each of architectures) {
    const container = (await run('buildah', ['from', '--arch', each, 'scratch'], { env })).trim()
    writeFileSync(join(directory, 'payload'), randomBytes(mib))
    await run('buildah', ['copy', container, '/bin/busybox', '/bin/busybox'], { env })
    await run('buildah', ['copy', container, join(directory, 'payload'), `/${each}`], { env })
    await run('buildah', ['config', '--arch', each, '--os', 'linux', '--entrypoint', '["/bin/busybox"]', container], { env })
    await run('buildah', ['commit', '--format', 'oci', '--manifest', 'multi', container, `multi-${each}`], { env })
  }
  const layout = join(directory, repository.replace('/', '-'))
  await run('buildah', ['manifest', 'push', '--all', '--format', 'oci', 'multi', `oci:${layout}:v1`], { env })
  const { manifests } = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'))
  const digest: string = manifests[0].digest
  const index = JSON.parse(readFileSync(blobPath(layout, digest), 'utf8'))
  const found = index.manifests.find((each: { platform: { architecture: string } }) => each.platform.architecture === architecture)
  const manifest: string = found.digest
  return { repository, digest, manifest, layout, ...contentsOf(layout, manifest) }
}

/** Copies an image to a registry, as it is. */
export async function push({ layout, repository }: RealImage, host: string): Promise<void> {
  await run('skopeo', ['copy', '--all', '--dest-tls-verify=false', `oci:${layout}:v1`, `docker://${host}/${repository}:v1`])
}

/** A private place for podman, buildah and their relatives. */
export function storageConfig(directory: string): string {
  return `[storage]\ndriver = "vfs"\nrunroot = "${join(directory, 'run')}"\ngraphroot = "${join(directory, 'graph')}"\n`
}

function contentsOf(layout: string, manifest: string): { config: string; sizeBytes: number } {
  const bytes = readFileSync(blobPath(layout, manifest))
  const { config, layers } = JSON.parse(bytes.toString())
  const sizes = [config, ...layers].map(({ size }: { size: number }) => size)
  return { config: config.digest, sizeBytes: sizes.reduce((sum, size) => sum + size, bytes.byteLength) }
}

function blobPath(layout: string, digest: string): string {
  return join(layout, 'blobs', 'sha256', digest.slice(7))
}
