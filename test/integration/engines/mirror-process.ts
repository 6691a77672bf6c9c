import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CliProcess } from '../cli-process.ts'
import { registryName } from './engine.ts'

/** A mirror that stands in for one registry, under all names by which engines call it. */
export interface MirrorSettings {
  /** The node's own; it may be there from before. */
  readonly directory: string
  /** Where the registry answers, or did: `127.0.0.1:5000`. */
  readonly registry: string
  /** Addresses of other nodes. */
  readonly peers?: readonly string[] | undefined
  readonly networkKey?: string | undefined
  /** Root of a containerd, to keep what it has once. */
  readonly containerdRoot?: string | undefined
}

/** `damselfly serve --mirror` in a process of its own, which may be killed. */
export class MirrorProcess implements AsyncDisposable {
  /** `http://127.0.0.1:5001` */
  readonly url: string
  /** Of its node. */
  readonly addresses: readonly string[]
  readonly #process: CliProcess

  private constructor(cli: CliProcess, url: string, addresses: readonly string[]) {
    this.#process = cli
    this.url = url
    this.addresses = addresses
  }

  static async start(settings: MirrorSettings): Promise<MirrorProcess> {
    const cli = new CliProcess(argumentsOf(settings), { HOME: settings.directory, XDG_RUNTIME_DIR: settings.directory })
    try {
      const { mirror, addresses = [] } = await cli.event('ready')
      return new MirrorProcess(cli, String(mirror), addresses)
    } catch (error) {
      await cli[Symbol.asyncDispose]()
      throw error
    }
  }

  /** `127.0.0.1:5001` */
  get host(): string {
    return new URL(this.url).host
  }

  /** Ends it without a word. */
  kill(): Promise<void> {
    return this.#process[Symbol.asyncDispose]()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill()
  }
}

function argumentsOf({ directory, registry, peers = [], networkKey, containerdRoot }: MirrorSettings): string[] {
  mkdirSync(directory, { recursive: true })
  const keyFile = join(directory, 'network.key')
  if (networkKey !== undefined) writeFileSync(keyFile, networkKey, { mode: 0o600 })
  return [
    'serve', '--mirror', '127.0.0.1:0', '--insecure', registry,
    // Docker knows mirrors of Docker Hub only.
    ...[registryName, 'docker.io'].flatMap((name) => ['--upstream', `${name}=http://${registry}`]),
    '--store', join(directory, 'store'), '--listen', '/ip4/127.0.0.1/tcp/0', '--discovery', 'none',
    ...peers.flatMap((address) => ['--peer', address]),
    ...(networkKey === undefined ? [] : ['--network-key-file', keyFile]),
    ...(containerdRoot === undefined ? [] : ['--backend', `containerd=${containerdRoot}`]),
  ]
}
