import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../tools.ts'
import { configuredFile } from './configured-file.ts'
import { registryName, type Engine, type EngineInit } from './engine.ts'
import { storageConfig } from './real-images.ts'

/** skopeo; copies to directories that it makes. */
export function openSkopeo(init: EngineInit): Promise<Engine> {
  return openWithConfig(init, writeBareConfig(init))
}

/** skopeo, which puts the registry's name before the repository's, as mirrors of several registries are told which one is meant. */
export function openSkopeoByPath(init: EngineInit): Promise<Engine> {
  return openWithConfig(init, writeRegistriesConfig(init))
}

async function openWithConfig({ directory }: EngineInit, config: string): Promise<Engine> {
  const folderOf = (reference: string): string => join(directory, reference.replaceAll(/\W/g, '-'))
  return {
    async pull(reference) {
      await run('skopeo', ['--registries-conf', config, 'copy', '--all', `docker://${registryName}/${reference}`, `dir:${folderOf(reference)}`])
    },
    async digestsOf(reference) {
      const folder = folderOf(reference)
      for (const name of readdirSync(folder)) {
        if (/^[0-9a-f]{64}$/.test(name) && sha256(join(folder, name)) !== name) throw new RangeError(`${name} is another blob`)
      }
      return [`sha256:${sha256(join(folder, 'manifest.json'))}`]
    },
    async [Symbol.asyncDispose]() {},
  }
}

/** podman, with a storage of its own. */
export async function openPodman(init: EngineInit): Promise<Engine> {
  const options = { env: environmentOf(init) }
  return {
    async pull(reference) {
      await run('podman', ['pull', '--quiet', `${registryName}/${reference}`], options)
    },
    async digestsOf(reference) {
      const [image] = JSON.parse(await run('podman', ['image', 'inspect', `${registryName}/${reference}`], options))
      return [image.Digest, `sha256:${image.Id}`, ...image.RepoDigests.map((name: string) => name.split('@')[1])]
    },
    echo(reference, word) {
      // Debian's default, crun, wants to set limits that a container's root may not raise.
      const limits = ['nofile', 'nproc'].flatMap((name) => ['--ulimit', `${name}=1024:1024`])
      const args = ['--runtime', 'runc', 'run', '--rm', '--network=none', ...limits, `${registryName}/${reference}`, 'echo', word]
      return run('podman', args, options)
    },
    async [Symbol.asyncDispose]() {},
  }
}

/** buildah, likewise. */
export async function openBuildah(init: EngineInit): Promise<Engine> {
  const options = { env: environmentOf(init) }
  return {
    async pull(reference) {
      await run('buildah', ['pull', '--quiet', `${registryName}/${reference}`], options)
    },
    async digestsOf(reference) {
      const image = JSON.parse(await run('buildah', ['inspect', '--type', 'image', `${registryName}/${reference}`], options))
      return [image.FromImageDigest, `sha256:${image.FromImageID}`]
    },
    async [Symbol.asyncDispose]() {},
  }
}

function environmentOf(init: EngineInit): NodeJS.ProcessEnv {
  const storage = join(init.directory, 'storage.conf')
  writeFileSync(storage, storageConfig(init.directory))
  const temporary = join(init.directory, 'tmp')
  mkdirSync(temporary)
  return {
    ...process.env,
    CONTAINERS_REGISTRIES_CONF: writeRegistriesConfig(init),
    CONTAINERS_STORAGE_CONF: storage,
    BUILDAH_ISOLATION: 'chroot',
    TMPDIR: temporary,
  }
}

/** What `configure` writes, which names the registry in the path. */
function writeRegistriesConfig({ directory, mirror, registry }: EngineInit): string {
  const path = join(directory, 'registries.conf')
  const setup = { mirrorUrl: mirror, upstreams: [{ registry: registryName, url: `http://${registry}` }] }
  const dropIn = configuredFile('podman', '/etc/containers/registries.conf.d/50-damselfly.conf', setup)
  writeFileSync(path, `unqualified-search-registries = []\n${dropIn}`)
  return path
}

/** By hand, with nothing but the mirror's address: its default upstream is meant. */
function writeBareConfig({ directory, mirror, registry }: EngineInit): string {
  const path = join(directory, 'registries.conf')
  const lines = [
    'unqualified-search-registries = []',
    '[[registry]]',
    `prefix = "${registryName}"`,
    `location = "${registry}"`,
    'insecure = true',
    '[[registry.mirror]]',
    `location = "${mirror}"`,
    'insecure = true',
  ]
  writeFileSync(path, `${lines.join('\n')}\n`)
  return path
}

function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}
