import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../tools.ts'
import { configuredFile } from './configured-file.ts'
import { EngineProcess } from './engine-process.ts'
import { registryName, type Engine, type EngineInit } from './engine.ts'

/** What needs devices, or a kubelet. */
const disabledPlugins = [
  'io.containerd.grpc.v1.cri',
  'io.containerd.internal.v1.opt',
  ...['aufs', 'btrfs', 'devmapper', 'zfs'].map((name) => `io.containerd.snapshotter.v1.${name}`),
]

/** A containerd of one's own. */
export class Containerd implements AsyncDisposable {
  readonly root: string
  readonly socket: string
  readonly #process: EngineProcess

  private constructor(directory: string, daemon: EngineProcess) {
    this.root = join(directory, 'root')
    this.socket = join(directory, 'c.sock')
    this.#process = daemon
  }

  static async start(directory: string): Promise<Containerd> {
    mkdirSync(directory, { recursive: true })
    const config = join(directory, 'config.toml')
    const lines = [
      'version = 2',
      `root = "${join(directory, 'root')}"`,
      `state = "${join(directory, 'state')}"`,
      `disabled_plugins = ${JSON.stringify(disabledPlugins)}`,
      '[grpc]',
      `  address = "${join(directory, 'c.sock')}"`,
    ]
    writeFileSync(config, `${lines.join('\n')}\n`)
    const daemon = new EngineProcess('containerd', ['--config', config], join(directory, 'log'))
    const containerd = new Containerd(directory, daemon)
    await daemon.ready(() => containerd.ctr('version'))
    return containerd
  }

  ctr(...args: readonly string[]): Promise<string> {
    return run('ctr', ['--address', this.socket, ...args])
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]()
  }
}

/** An engine on a containerd of its own. */
export interface ContainerdEngine extends Engine {
  readonly root: string
  /** Forgets an image, and deletes what no other image needs. */
  remove(reference: string): Promise<void>
}

/** ctr, which is told of the mirror by a file for this registry. */
export function openCtr(init: EngineInit): Promise<ContainerdEngine> {
  return openWithHosts(init, registryName, [{ registry: registryName, url: `http://${init.registry}` }])
}

/** ctr, which is told of the mirror by a file for all registries, and tells it which one is meant. */
export function openCtrByDefault(init: EngineInit): Promise<ContainerdEngine> {
  return openWithHosts(init, '_default', [])
}

async function openWithHosts({ directory, mirror }: EngineInit, hostDirectory: string, upstreams: readonly { registry: string; url: string }[]): Promise<ContainerdEngine> {
  const hosts = join(directory, 'hosts')
  mkdirSync(join(hosts, hostDirectory), { recursive: true })
  const text = configuredFile('containerd', `/etc/containerd/certs.d/${hostDirectory}/hosts.toml`, { mirrorUrl: mirror, upstreams })
  writeFileSync(join(hosts, hostDirectory, 'hosts.toml'), text)
  const containerd = await Containerd.start(join(directory, 'containerd'))
  let containerCount = 0
  return {
    root: containerd.root,
    async pull(reference) {
      await containerd.ctr('images', 'pull', '--hosts-dir', hosts, '--snapshotter', 'native', `${registryName}/${reference}`)
    },
    async remove(reference) {
      await containerd.ctr('images', 'remove', '--sync', `${registryName}/${reference}`)
    },
    async digestsOf(reference) {
      const list = await containerd.ctr('images', 'list', `name==${registryName}/${reference}`)
      return list.match(/(?<=\s)sha256:[0-9a-f]{64}/g) ?? []
    },
    echo(reference, word) {
      const name = `echo-${++containerCount}`
      return containerd.ctr('run', '--rm', '--snapshotter', 'native', `${registryName}/${reference}`, name, '/bin/busybox', 'echo', word)
    },
    [Symbol.asyncDispose]: () => containerd[Symbol.asyncDispose](),
  }
}
