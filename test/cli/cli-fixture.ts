import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { embeddedOrigin, type EmbeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { testImage } from '../../src/testing/test-image.ts'

const mib = 1024 * 1024

/** Of 4 MiB; its first layer has twelve pieces. */
export const image = testImage({ seed: 7, layerSizes: [3 * mib, mib, 5000] })
/** Length of all its blobs. */
export const imageBytes: number = [image.manifest, image.config, ...image.layers].reduce((sum, { size }) => sum + size, 0)

/** A registry with an image, and a folder for what the command line leaves behind. */
export class CliFixture implements AsyncDisposable {
  readonly origin: EmbeddedOrigin
  readonly folder: string

  private constructor(origin: EmbeddedOrigin, folder: string) {
    this.origin = origin
    this.folder = folder
  }

  static async open(): Promise<CliFixture> {
    const origin = await embeddedOrigin()
    image.addTo(origin, 'team/app', '1.0')
    return new CliFixture(origin, await mkdtemp(join(tmpdir(), 'damselfly-cli-')))
  }

  /** The image by its tag. */
  get tag(): string {
    return `${this.origin.host}/team/app:1.0`
  }

  /** The image by its digest. */
  get byDigest(): string {
    return `${this.origin.host}/team/app@${image.manifest.digest}`
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  /** A command line for a node on loopback, with a store of that name, which finds nobody by itself. */
  node(store: string, ...args: readonly string[]): string[] {
    const network = ['--listen', '/ip4/127.0.0.1/tcp/0', '--discovery', 'none', '--insecure', this.origin.host]
    return [...args, '--store', this.path(store), ...network]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.origin.close()
    await rm(this.folder, { recursive: true, force: true })
  }
}
