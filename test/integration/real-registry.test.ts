import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { createReadStream, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { afterAll, beforeAll, test } from 'vitest'
import { CliProcess, type CliEvent } from './cli-process.ts'
import { DockerRegistry } from './docker-registry.ts'
import { describeWith, run } from './tools.ts'

const mib = 1024 * 1024
const password = 'correct horse'

describeWith(['docker-registry', 'skopeo', 'umoci', 'htpasswd'], 'an image of a real registry', () => {
  let directory = ''
  let imageBytes = 0
  let digest = ''

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'damselfly-registry-'))
    const layout = join(directory, 'built')
    await run('umoci', ['init', '--layout', layout])
    await run('umoci', ['new', '--image', `${layout}:v1`])
    for (const [name, sizeBytes] of Object.entries({ big: 24 * mib, middle: 7 * mib, small: 900 })) {
      const folder = join(directory, name)
      mkdirSync(folder)
      writeFileSync(join(folder, 'data'), randomBytes(sizeBytes))
      await run('umoci', ['insert', '--image', `${layout}:v1`, folder, `/${name}`])
    }
    const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'))
    digest = index.manifests[0].digest
    imageBytes = sizeOf(layout, digest)
  })
  afterAll(() => rm(directory, { recursive: true, force: true }))

  async function startRegistry(name: string, login?: { user: string; password: string }): Promise<DockerRegistry> {
    const folder = join(directory, name)
    mkdirSync(folder)
    const registry = await DockerRegistry.start(folder, login)
    const credentials = login ? ['--dest-creds', `${login.user}:${login.password}`] : []
    await run('skopeo', [
      'copy', '--dest-tls-verify=false', ...credentials,
      `oci:${join(directory, 'built')}:v1`, `docker://${registry.host}/test/app:v1`,
    ])
    return registry
  }

  function cli(name: string, command: readonly string[], env: NodeJS.ProcessEnv = {}): CliProcess {
    const store = join(directory, `store-${name}`)
    return new CliProcess([...command, '--store', store, '--listen', '/ip4/127.0.0.1/tcp/0', '--discovery', 'dht'], {
      HOME: directory,
      ...env,
    })
  }

  test('goes to one node once, from it to others found by the DHT, and on with the registry dead', async () => {
    await using registry = await startRegistry('open')
    const tag = `${registry.host}/test/app:v1`
    const network = ['--insecure', registry.host]
    await using bootstrap = cli('bootstrap', ['serve'])
    const peer = ['--peer', addressOf(await bootstrap.event('ready'))]
    await using first = cli('a', ['seed', tag, ...network, ...peer])
    await first.event('seeding')
    const before = registry.bytesSent()

    const pulls = ['b', 'c'].map((name) => cli(name, ['pull', tag, '--to', join(directory, name), ...network, ...peer]))
    for (const pull of pulls) {
      const done = await pull.event('done')
      assert.equal(await pull.exit(), 0)
      assertFoundBy(done, 'dht')
    }
    const bytesSent = registry.bytesSent()
    assert.ok(bytesSent <= 1.1 * imageBytes, `${bytesSent} bytes of ${imageBytes} (${before} for the first node)`)
    console.log(`the registry sent ${bytesSent} bytes of an image of ${imageBytes} to three nodes`)
    await registry.stop()

    const reference = `${registry.host}/test/app@${digest}`
    await using last = cli('d', ['pull', reference, '--to', join(directory, 'd'), ...network, ...peer])
    const done = await last.event('done')
    assert.equal(await last.exit(), 0)
    assert.deepEqual(done['bytes'], { total: imageBytes, origin: 0, peers: imageBytes, stored: 0 })
    for (const name of ['b', 'c', 'd']) await assertLayout(directory, name)

    await using byTag = cli('e', ['pull', tag, '--to', join(directory, 'e'), ...network, ...peer])
    assert.equal(await byTag.exit(), 1)
    assert.equal(byTag.events.at(-1)?.event, 'error')
    assert.equal(byTag.events.at(-1)?.['code'], 'ERR_ORIGIN_UNAVAILABLE')
  })

  test('is pulled with a password, and given to nobody without it', async () => {
    await using registry = await startRegistry('closed', { user: 'alice', password })
    const tag = `${registry.host}/test/app:v1`
    const configDirectory = join(directory, 'docker-config')
    mkdirSync(configDirectory)
    const auth = Buffer.from(`alice:${password}`).toString('base64')
    writeFileSync(join(configDirectory, 'config.json'), JSON.stringify({ auths: { [registry.host]: { auth } } }))
    const network = ['--insecure', registry.host]
    await using owner = cli('owner', ['seed', tag, ...network], { DOCKER_CONFIG: configDirectory })
    const peer = ['--peer', addressOf(await owner.event('seeding'))]
    await using stranger = cli('stranger', ['pull', tag, '--to', join(directory, 'stranger'), ...network, ...peer])
    assert.equal(await stranger.exit(), 1)
    assert.equal(stranger.events.at(-1)?.['code'], 'ERR_ORIGIN_AUTH')
    await registry.stop()
    const reference = `${registry.host}/test/app@${digest}`
    await using byDigest = cli('other', ['pull', reference, '--to', join(directory, 'other'), ...network, ...peer])
    assert.equal(await byDigest.exit(), 1)
    assert.equal(byDigest.events.at(-1)?.['code'], 'ERR_SWARM_NO_SOURCE')
  })
})

describeWith(['docker-registry', 'skopeo', 'buildah'], 'an index of a real registry', () => {
  test('gives each platform its own image, in OCI and Docker formats', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'damselfly-index-'))
    await using cleanup = new AsyncDisposableStack()
    cleanup.defer(() => rm(directory, { recursive: true, force: true }))
    await using registry = await DockerRegistry.start(directory)
    writeFileSync(join(directory, 'storage.conf'), storageConfig(directory))
    const env = {
      ...process.env,
      BUILDAH_ISOLATION: 'chroot',
      CONTAINERS_STORAGE_CONF: join(directory, 'storage.conf'),
      TMPDIR: directory,
    }
    for (const format of ['oci', 'v2s2']) {
      const list = `list-${format}`
      await run('buildah', ['manifest', 'create', list], { env })
      for (const architecture of ['amd64', 'arm64']) {
        const container = (await run('buildah', ['from', '--arch', architecture, 'scratch'], { env })).trim()
        writeFileSync(join(directory, 'payload'), randomBytes(2 * mib))
        await run('buildah', ['copy', container, join(directory, 'payload'), `/${architecture}`], { env })
        await run('buildah', ['config', '--arch', architecture, '--os', 'linux', container], { env })
        const flags = ['--format', format === 'oci' ? 'oci' : 'docker', '--manifest', list]
        await run('buildah', ['commit', ...flags, container, `${format}-${architecture}`], { env })
      }
      const to = `docker://${registry.host}/test/multi:${format}`
      await run('buildah', ['manifest', 'push', '--all', '--format', format, '--tls-verify=false', list, to], { env })
      for (const architecture of ['amd64', 'arm64']) {
        const name = `${format}-${architecture}`
        const layout = join(directory, name)
        await using pull = new CliProcess([
          'pull', `${registry.host}/test/multi:${format}`, '--to', layout, '--platform', `linux/${architecture}`,
          '--insecure', registry.host, '--store', join(directory, `store-${name}`), '--listen', '/ip4/127.0.0.1/tcp/0',
          '--discovery', 'none',
        ])
        assert.equal(await pull.exit(), 0, pull.stderr)
        await assertLayout(directory, name)
        const inspected = JSON.parse(await run('skopeo', ['inspect', '--config', `oci:${layout}`]))
        assert.equal(inspected.architecture, architecture)
      }
    }
  })
})

function storageConfig(directory: string): string {
  return `[storage]\ndriver = "vfs"\nrunroot = "${join(directory, 'run')}"\ngraphroot = "${join(directory, 'graph')}"\n`
}

function addressOf({ addresses }: CliEvent): string {
  return addresses?.[0] ?? 'no address'
}

function assertFoundBy(done: CliEvent, way: string): void {
  const peers = done['peers'] as { peerId: string; bytes: number; foundBy: string[] }[]
  assert.ok(peers.length > 0, 'no byte came from a peer')
  assert.ok(peers.some(({ bytes, foundBy }) => bytes > 0 && foundBy.includes(way)), JSON.stringify(peers))
}

/** Every blob is what its name says, and skopeo accepts the layout. */
async function assertLayout(directory: string, name: string): Promise<void> {
  const layout = join(directory, name)
  const blobs = join(layout, 'blobs', 'sha256')
  for (const hex of readdirSync(blobs)) {
    const hash = createHash('sha256')
    await pipeline(createReadStream(join(blobs, hex)), hash)
    assert.equal(hash.digest('hex'), hex)
  }
  await run('skopeo', ['copy', `oci:${layout}`, `dir:${join(directory, `copy-${name}`)}`])
}

/** Length of a manifest and all that it names, in bytes. */
function sizeOf(layout: string, manifest: string): number {
  const path = join(layout, 'blobs', 'sha256', manifest.slice(7))
  const { config, layers } = JSON.parse(readFileSync(path, 'utf8'))
  return [config, ...layers].reduce((sum: number, { size }: { size: number }) => sum + size, statSync(path).size)
}
