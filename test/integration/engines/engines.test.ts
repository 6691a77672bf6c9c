import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, test } from 'vitest'
import { DockerRegistry } from '../docker-registry.ts'
import { describeAsRoot, describeWith, run } from '../tools.ts'
import { openCtr, openCtrByDefault } from './containerd.ts'
import { whyNoContainers } from './container-check.ts'
import { openBuildah, openPodman, openSkopeo, openSkopeoByPath } from './containers-image.ts'
import { openDocker } from './docker.ts'
import { registryName, type Engine, type EngineInit } from './engine.ts'
import { MirrorProcess } from './mirror-process.ts'
import { buildImage, buildIndex, push, type RealImage } from './real-images.ts'

interface EngineCase {
  readonly programs: readonly string[]
  readonly open: (init: EngineInit) => Promise<Engine>
  /** One engine of each kind shows what it says of a tag that nobody resolves; podman and buildah would ask over and over first. */
  readonly failsSoon?: boolean
}

const engines: Readonly<Record<string, EngineCase>> = {
  skopeo: { programs: ['skopeo'], open: openSkopeo, failsSoon: true },
  'skopeo with the registry in the path': { programs: ['skopeo'], open: openSkopeoByPath },
  podman: { programs: ['podman', 'runc'], open: openPodman },
  buildah: { programs: ['buildah'], open: openBuildah },
  'ctr with a file for the registry': { programs: ['containerd', 'ctr', 'runc'], open: openCtr, failsSoon: true },
  'ctr with a file for all registries': { programs: ['containerd', 'ctr', 'runc'], open: openCtrByDefault },
  docker: { programs: ['containerd', 'dockerd', 'runc'], open: openDocker, failsSoon: true },
}

describeWith(['docker-registry', 'skopeo', 'umoci', 'buildah', 'busybox'], 'engines that pull through a mirror', () => {
  const resources = new AsyncDisposableStack()
  let directory = ''
  let images: readonly RealImage[] = []
  /** Up all the time. */
  let registry: DockerRegistry
  /** Stopped as soon as the seed has everything. */
  let stopped: DockerRegistry
  let seed: MirrorProcess
  /** Of a node that reaches the registry. */
  let online: MirrorProcess
  /** Of a node that has nothing, and does not reach it. */
  let bare: MirrorProcess
  let noContainers: string | undefined

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'damselfly-engines-'))
    resources.defer(() => rm(directory, { recursive: true, force: true }))
    images = [await buildImage(directory, 'test/app'), await buildIndex(directory, 'test/multi')]
    const start = async (name: string): Promise<DockerRegistry> => {
      mkdirSync(join(directory, name))
      const pushed = await started(DockerRegistry.start(join(directory, name)))
      for (const image of images) await push(image, pushed.host)
      return pushed
    }
    registry = await start('registry')
    stopped = await start('stopped')
    seed = await started(MirrorProcess.start({ directory: join(directory, 'seed'), registry: stopped.host }))
    // What is pulled through a node, it has for others: all platforms of an index, as skopeo takes them.
    await using skopeo = await openEngine('skopeo', seed, stopped)
    for (const { repository } of images) await skopeo.pull(`${repository}:v1`)
    await stopped.stop()
    online = await startMirror('online', registry)
    bare = await startMirror('bare', stopped)
    noContainers = await whyNoContainers(directory)
    if (noContainers !== undefined) console.log(`skipped: containers of pulled images: this machine runs none: ${noContainers}`)
  })
  afterAll(() => resources.disposeAsync())

  /** Ends it after all tests if its own runs out of time. */
  async function started<Resource extends AsyncDisposable>(starting: Promise<Resource>): Promise<Resource> {
    return resources.use(await starting)
  }

  /** A node without blobs, and its mirror. */
  async function startMirror(name: string, { host }: DockerRegistry): Promise<MirrorProcess> {
    return started(MirrorProcess.start({ directory: join(directory, name), registry: host, peers: seed.addresses }))
  }

  async function openEngine(name: string, mirror: MirrorProcess, { host }: DockerRegistry): Promise<Engine> {
    const engineDirectory = await mkdtemp(join(directory, 'engine-'))
    return started(engines[name]!.open({ directory: engineDirectory, mirror: mirror.host, registry: host }))
  }

  async function assertPulled(engine: Engine, image: RealImage, reference: string): Promise<void> {
    const digests = await engine.digestsOf(reference)
    const right: readonly string[] = [image.digest, image.manifest, image.config]
    assert.ok(digests.length > 0 && digests.every((digest) => right.includes(digest)), `${digests.join()} of ${right.join()}`)
    if (!engine.echo || noContainers !== undefined) return
    assert.equal(await engine.echo(reference, 'hello'), 'hello\n')
  }

  for (const [name, { programs, failsSoon = false }] of Object.entries(engines)) {
    const describeEngine = programs.includes('skopeo') ? describeWith : describeAsRoot
    describeEngine(programs, name, () => {
      test('pulls by tag what the registry has', async () => {
        // What it falls back to is stopped: the mirror must do.
        await using engine = await openEngine(name, online, stopped)
        for (const image of images) {
          const reference = `${image.repository}:v1`
          await engine.pull(reference)
          await assertPulled(engine, image, reference)
        }
      })

      test('pulls by digest what a node seeds while the registry is stopped', async () => {
        await using mirror = await startMirror(`${name}-by-digest`, stopped)
        await using engine = await openEngine(name, mirror, stopped)
        for (const image of images) {
          const reference = `${image.repository}@${image.digest}`
          await engine.pull(reference)
          await assertPulled(engine, image, reference)
        }
      })

      if (!failsSoon) return
      test('fails with a tag that nobody resolves', async () => {
        await using engine = await openEngine(name, bare, stopped)
        await assert.rejects(engine.pull('test/app:v1'))
      })
    })
  }

  test('are told by 502 that the registry is stopped and nobody else knows a tag', async () => {
    const answer = await fetch(`${bare.url}/v2/test/app/manifests/v1`)
    const { errors } = (await answer.json()) as { errors: { code: string }[] }
    assert.deepEqual([answer.status, errors.map(({ code }) => code)], [502, ['UNAVAILABLE']])
  })

  describeWith(['aria2c'], 'aria2', () => {
    test('takes one blob by four ranges at once while the registry is stopped', async () => {
      await using mirror = await startMirror('aria2', stopped)
      const [image] = images
      assert.ok(image)
      const { layers } = JSON.parse(readFileSync(join(image.layout, 'blobs', 'sha256', image.manifest.slice(7)), 'utf8'))
      const { digest }: { digest: string } = layers.toSorted((a: { size: number }, b: { size: number }) => b.size - a.size)[0]
      const url = `${mirror.url}/v2/${registryName}/${image.repository}/blobs/${digest}`
      const flags = ['-x4', '-s4', '-k1M', '--no-conf', '--quiet', `--checksum=sha-256=${digest.slice(7)}`, `--dir=${directory}`, '--out=blob']
      await run('aria2c', [...flags, url])
      assert.equal(createHash('sha256').update(readFileSync(join(directory, 'blob'))).digest('hex'), digest.slice(7))
    })
  })
})
