import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, test } from 'vitest'
import { DockerRegistry } from '../docker-registry.ts'
import { describeAsRoot } from '../tools.ts'
import { openCtr } from './containerd.ts'
import { openSkopeo } from './containers-image.ts'
import { openDocker } from './docker.ts'
import type { Engine, EngineInit } from './engine.ts'
import { MirrorProcess } from './mirror-process.ts'
import { buildImage, push, type RealImage } from './real-images.ts'
import { SteadyAddress } from './steady-address.ts'

const mib = 1024 * 1024
const engines: Readonly<Record<string, (init: EngineInit) => Promise<Engine>>> = { containerd: openCtr, docker: openDocker }

describeAsRoot(
  ['docker-registry', 'skopeo', 'umoci', 'busybox', 'containerd', 'ctr', 'dockerd', 'runc'],
  'an image of a closed network, whose registry is stopped',
  () => {
    const networkKey = 'a1'.repeat(32)
    const resources = new AsyncDisposableStack()
    let directory = ''
    let registryHost = ''
    let image: RealImage
    let reference = ''
    let seed: MirrorProcess

    beforeAll(async () => {
      directory = await mkdtemp(join(tmpdir(), 'damselfly-survival-'))
      resources.defer(() => rm(directory, { recursive: true, force: true }))
      // Longer than what a mirror verifies before it answers: its bytes leave while they arrive.
      image = await buildImage(directory, 'test/app', [68 * mib])
      reference = `${image.repository}@${image.digest}`
      mkdirSync(join(directory, 'registry'))
      await using registry = await DockerRegistry.start(join(directory, 'registry'))
      registryHost = registry.host
      await push(image, registryHost)
      seed = await startMirror('seed', {})
      const skopeoDirectory = join(directory, 'engine-seed')
      mkdirSync(skopeoDirectory)
      await using skopeo = await openSkopeo({ directory: skopeoDirectory, mirror: seed.host, registry: registryHost })
      await skopeo.pull(`${image.repository}:v1`)
    })
    afterAll(() => resources.disposeAsync())

    /** Ends it after all tests if its own runs out of time. */
    async function started<Resource extends AsyncDisposable>(starting: Promise<Resource>): Promise<Resource> {
      return resources.use(await starting)
    }

    function startMirror(name: string, settings: { peers?: readonly string[]; containerdRoot?: string }): Promise<MirrorProcess> {
      return started(MirrorProcess.start({ directory: join(directory, name), registry: registryHost, networkKey, ...settings }))
    }

    async function assertPulled(engine: Engine): Promise<void> {
      const digests = await engine.digestsOf(reference)
      assert.ok(digests.includes(image.digest), `${digests.join()}, not ${image.digest}`)
    }

    for (const [name, open] of Object.entries(engines)) {
      test(`is pulled by ${name} after its mirror was killed in the middle of a blob, and nobody cleared up`, async () => {
        await using address = await SteadyAddress.open()
        const start = async (): Promise<MirrorProcess> => {
          const mirror = await startMirror(`mirror-${name}`, { peers: seed.addresses })
          address.target = mirror.host
          return mirror
        }
        await using killed = await start()
        const engineDirectory = join(directory, `engine-${name}`)
        mkdirSync(engineDirectory)
        await using engine = await started(open({ directory: engineDirectory, mirror: address.host, registry: registryHost }))
        const stopped = address.stopAfter(12 * mib)
        const first = engine.pull(reference).then(
          () => 'ended well',
          () => 'failed',
        )
        assert.equal(await Promise.race([stopped.then(() => 'under way'), first]), 'under way')
        await killed.kill()
        address.cut()
        await using again = await start()
        assert.equal(address.target, again.host)
        console.log(`${name}: the pull that lost its mirror ${await first}`)
        await engine.pull(reference)
        await assertPulled(engine)
      })
    }

    test('is kept once on a host with containerd, and given to others from its content store, and fetched anew once containerd has deleted it', async () => {
      const engineDirectory = join(directory, 'engine-once')
      mkdirSync(engineDirectory)
      const containerdRoot = join(engineDirectory, 'containerd', 'root')
      await using mirror = await startMirror('once', { peers: seed.addresses, containerdRoot })
      await using engine = await started(openCtr({ directory: engineDirectory, mirror: mirror.host, registry: registryHost }))
      assert.equal(engine.root, containerdRoot)
      await engine.pull(reference)
      await assertPulled(engine)
      const own = join(directory, 'once', 'store')
      while (bytesIn(own) > 0.05 * image.sizeBytes) await pause(50)
      console.log(`own store: ${bytesIn(own)} bytes of an image of ${image.sizeBytes}`)

      // It knows nobody else.
      await using other = await startMirror('other', { peers: mirror.addresses })
      const otherDirectory = join(directory, 'engine-other')
      mkdirSync(otherDirectory)
      await seed.kill()
      await using skopeo = await openSkopeo({ directory: otherDirectory, mirror: other.host, registry: registryHost })
      await skopeo.pull(reference)
      await assertPulled(skopeo)
      assert.ok(bytesIn(own) <= 0.05 * image.sizeBytes)

      await engine.remove(reference)
      assert.deepEqual(readdirSync(join(containerdRoot, 'io.containerd.content.v1.content', 'blobs', 'sha256')), [])
      await engine.pull(reference)
      await assertPulled(engine)
    })
  },
)

function bytesIn(directory: string): number {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + (statSync(join(parentPath, name), { throwIfNoEntry: false })?.size ?? 0), 0)
}
