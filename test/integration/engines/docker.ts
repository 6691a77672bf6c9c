import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../tools.ts'
import { configuredFile } from './configured-file.ts'
import { Containerd } from './containerd.ts'
import { EngineProcess } from './engine-process.ts'
import type { Engine, EngineInit } from './engine.ts'

/** Debian's, whatever else is in the path. */
const client = '/usr/bin/docker'

/** dockerd, which knows mirrors of Docker Hub only: what it pulls has no registry in its name. */
export async function openDocker({ directory, mirror }: EngineInit): Promise<Engine> {
  await using started = new AsyncDisposableStack()
  const containerd = started.use(await Containerd.start(join(directory, 'containerd')))
  const socket = `unix://${join(directory, 'd.sock')}`
  const config = join(directory, 'daemon.json')
  const configuration = {
    'data-root': join(directory, 'data'),
    'exec-root': join(directory, 'exec'),
    pidfile: join(directory, 'pid'),
    hosts: [socket],
    'storage-driver': 'vfs',
    bridge: 'none',
    iptables: false,
    ip6tables: false,
    containerd: containerd.socket,
    'insecure-registries': ['127.0.0.0/8'],
  }
  const path = '/etc/docker/daemon.json'
  writeFileSync(config, configuredFile('docker', path, { mirrorUrl: mirror }, new Map([[path, JSON.stringify(configuration)]])))
  const home = join(directory, 'home')
  mkdirSync(home)
  // Without a home of its own it would send the logins of whoever runs the tests.
  const options = { env: { ...process.env, DOCKER_CONFIG: home, HOME: home } }
  const docker = (...args: readonly string[]): Promise<string> => run(client, ['--host', socket, ...args], options)
  const daemon = started.use(new EngineProcess('dockerd', ['--config-file', config], join(directory, 'log'), options.env))
  await daemon.ready(() => docker('version'))
  const running = started.move()
  return {
    async pull(reference) {
      await docker('pull', reference)
    },
    async digestsOf(reference) {
      const [image] = JSON.parse(await docker('image', 'inspect', reference))
      return [image.Id, ...image.RepoDigests.map((name: string) => name.split('@')[1])]
    },
    echo: (reference, word) => docker('run', '--rm', '--network=none', reference, 'echo', word),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}
