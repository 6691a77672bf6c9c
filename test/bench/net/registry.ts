import type { ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { addUpAccessLog, type OriginUse } from './access-log.ts'
import { run, start } from './commands.ts'

/** Where a registry runs. */
export interface RegistryPlace {
  readonly namespace?: string | undefined
  readonly address: string
  readonly port: number
}

/** Bytes of a file and their digest. */
export interface BlobFile {
  readonly path: string
  readonly digest: string
  readonly sizeBytes: number
}

const configType = 'application/vnd.oci.image.config.v1+json'
const layerType = 'application/vnd.oci.image.layer.v1.tar'
const manifestType = 'application/vnd.oci.image.manifest.v1+json'
const answerLimitMs = 20_000

/** Debian's docker-registry, until it is disposed of. It is spoken to by `curl` from its own place, so that no limited link is used. */
export class Registry implements AsyncDisposable {
  readonly host: string
  readonly #namespace: string | undefined
  readonly #folder: string
  readonly #child: ChildProcess
  readonly #logPath: string
  #logOffset = 0

  private constructor(place: RegistryPlace, folder: string, child: ChildProcess, logPath: string) {
    this.host = `${place.address}:${place.port}`
    this.#namespace = place.namespace
    this.#folder = folder
    this.#child = child
    this.#logPath = logPath
  }

  static async start(place: RegistryPlace, folder: string): Promise<Registry> {
    await mkdir(folder, { recursive: true })
    const config = {
      version: 0.1,
      log: { level: 'info', accesslog: { disabled: false } },
      storage: { filesystem: { rootdirectory: join(folder, 'data') } },
      http: { addr: `${place.address}:${place.port}` },
    }
    // YAML is a superset of JSON.
    const configPath = join(folder, 'registry.yml')
    writeFileSync(configPath, JSON.stringify(config))
    const logPath = join(folder, 'registry.log')
    const log = openSync(logPath, 'a')
    const command = { program: 'docker-registry', args: ['serve', configPath], namespace: place.namespace }
    const child = start(command, ['ignore', log, log])
    closeSync(log)
    const registry = new Registry(place, folder, child, logPath)
    try {
      await registry.#answers()
      return registry
    } catch (error) {
      await registry[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Uploads a blob, and an image of one layer that names it, under the tag `v1`. */
  async addImage(repository: string, layer: BlobFile): Promise<void> {
    const config = this.#writeJson('config.json', {
      os: 'linux',
      architecture: 'amd64',
      config: {},
      rootfs: { type: 'layers', diff_ids: [layer.digest] },
    })
    const manifest = this.#writeJson('manifest.json', {
      schemaVersion: 2,
      mediaType: manifestType,
      config: { mediaType: configType, digest: config.digest, size: config.sizeBytes },
      layers: [{ mediaType: layerType, digest: layer.digest, size: layer.sizeBytes }],
    })
    for (const blob of [layer, config]) await this.#upload(repository, blob)
    const url = `http://${this.host}/v2/${repository}/manifests/v1`
    await this.#curl(['-H', `Content-Type: ${manifestType}`, '-T', manifest.path, url])
  }

  /** What it was asked for since the last call. An answer is in its log when it has ended. */
  use(): OriginUse {
    const text = readFileSync(this.#logPath, 'utf8')
    const use = addUpAccessLog(text.slice(this.#logOffset))
    this.#logOffset = text.length
    return use
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }

  async #upload(repository: string, { path, digest }: BlobFile): Promise<void> {
    const uploads = `http://${this.host}/v2/${repository}/blobs/uploads/`
    const headers = await this.#curl(['-D', '-', '-o', '/dev/null', '-X', 'POST', uploads])
    const location = /^location: (\S+)/im.exec(headers)?.[1]
    if (location === undefined) throw new RangeError(`the registry gives no place to upload to: ${headers}`)
    const url = new URL(location, uploads)
    url.searchParams.set('digest', digest)
    await this.#curl(['-H', 'Content-Type: application/octet-stream', '-T', path, url.href])
  }

  #writeJson(name: string, value: unknown): BlobFile {
    const bytes = Buffer.from(JSON.stringify(value))
    const path = join(this.#folder, name)
    writeFileSync(path, bytes)
    return { path, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, sizeBytes: bytes.byteLength }
  }

  #curl(args: readonly string[]): Promise<string> {
    return run({ program: 'curl', args: ['-sS', '-f', ...args], namespace: this.#namespace })
  }

  async #answers(): Promise<void> {
    const limitMs = performance.now() + answerLimitMs
    for (;;) {
      try {
        await this.#curl([`http://${this.host}/v2/`])
        return
      } catch {
        if (this.#child.exitCode === null && performance.now() < limitMs) {
          await pause(50)
          continue
        }
        throw new RangeError(`docker-registry does not answer: ${readFileSync(this.#logPath, 'utf8').slice(-2000)}`)
      }
    }
  }
}
