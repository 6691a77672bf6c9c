import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'vitest'
import { embeddedOrigin, type EmbeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { testImage } from '../../src/testing/test-image.ts'
import { checkLayout } from '../demo/image-layout.ts'
import { Cli, jsonLines, runCli } from './run-cli.ts'

const mib = 1024 * 1024
const image = testImage({ seed: 7, layerSizes: [3 * mib, mib, 5000] })
const imageBytes = [image.manifest, image.config, ...image.layers].reduce((sum, { size }) => sum + size, 0)

let folder: string
let origin: EmbeddedOrigin
let tag: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'damselfly-cli-'))
  origin = await embeddedOrigin()
  image.addTo(origin, 'team/app', '1.0')
  tag = `${origin.host}/team/app:1.0`
})

afterEach(async () => {
  await origin.close()
  await rm(folder, { recursive: true, force: true })
})

/** A node of its own on loopback, known to nobody. */
function node(store: string, ...args: readonly string[]): string[] {
  const network = ['--listen', '/ip4/127.0.0.1/tcp/0', '--discovery', 'none', '--insecure', origin.host]
  return [...args, '--store', join(folder, store), ...network]
}

describe('pull', () => {
  test('writes a layout with every blob, and says where the bytes came from', async () => {
    const { code, stdout, stderr } = await runCli(node('a', 'pull', tag, '--to', join(folder, 'out')))
    assert.equal(code, 0, stderr)
    await checkLayout(join(folder, 'out'), image)
    assert.match(stdout, new RegExp(`^${image.manifest.digest} 4\\.0 MiB in \\d+\\.\\d s: 4\\.0 MiB from the origin, 0 B from 0 peers`))
    for (const { digest } of image.layers) {
      assert.equal(stderr.split('\n').filter((line) => line.startsWith(`${digest} started`)).length, 1)
      assert.equal(stderr.split('\n').filter((line) => line.startsWith(`${digest} complete`)).length, 1)
    }
    assert.ok(!stderr.includes('\u001B'))
  })

  test('with --json prints progress and ends with what moved; the same store moves nothing again', async () => {
    const args = node('a', 'pull', tag, '--to', join(folder, 'out'), '--json')
    const first = await runCli(args)
    assert.equal(first.code, 0, first.stderr)
    const lines = jsonLines(first.stdout)
    const done = lines.at(-1)
    assert.equal(done?.event, 'done')
    assert.equal(done?.digest, image.manifest.digest)
    assert.deepEqual(done?.bytes, { total: imageBytes, origin: imageBytes, peers: 0, stored: 0 })
    assert.deepEqual(done?.peers, [])
    assert.ok((done?.ms ?? 0) > 0)
    assert.ok(lines.slice(0, -1).every(({ event }) => event === 'progress'))
    for (const { digest, size } of image.layers) {
      const last = lines.filter((line) => line.event === 'progress' && line.digest === digest).at(-1)
      assert.deepEqual(last?.bytes, { total: size, origin: size, peers: 0, stored: 0 })
    }
    assert.equal(first.stderr, '')

    const sentBefore = image.layers.map(({ digest }) => origin.bytesSent(digest))
    const second = await runCli(args)
    assert.equal(second.code, 0, second.stderr)
    assert.deepEqual(image.layers.map(({ digest }) => origin.bytesSent(digest)), sentBefore)
    const { total, stored, peers } = jsonLines(second.stdout).at(-1)?.bytes ?? {}
    assert.equal(total, imageBytes)
    assert.equal(peers, 0)
    // The tag itself is asked at the registry each time; what it names is here.
    assert.equal(stored, imageBytes)
  })

  test('interrupted, exits with 130, and goes on where it was', async () => {
    // One piece passes at once; then the origin has time for a signal.
    const [layer] = image.layers
    const endFault = origin.fault(layer?.digest ?? '', { bytesPerSecond: 256 * 1024 })
    const args = node('a', 'pull', tag, '--to', join(folder, 'out'), '--json')
    await using pull = new Cli(args)
    await pull.line((line) => {
      const { event, digest, bytes } = JSON.parse(line)
      return event === 'progress' && digest === layer?.digest && bytes.origin > 0
    })
    pull.child.kill('SIGINT')
    const { code, stdout, stderr } = await pull.result()
    assert.equal(code, 130, stderr)
    assert.equal(jsonLines(stdout).at(-1)?.code, 'ERR_CLI_INTERRUPTED')
    assert.match(stderr, /^damselfly: interrupted: run the same command again/)

    endFault()
    const again = await runCli(args)
    assert.equal(again.code, 0, again.stderr)
    const lines = jsonLines(again.stdout)
    const { total = 0, stored = 0, origin: fetched = 0 } = lines.at(-1)?.bytes ?? {}
    assert.equal(total, imageBytes)
    assert.equal(stored + fetched, total)
    const kept = lines.filter((line) => line.event === 'progress' && line.digest === layer?.digest).at(-1)?.bytes
    assert.ok((kept?.stored ?? 0) >= 256 * 1024, 'nothing of the layer was kept')
    await checkLayout(join(folder, 'out'), image)
  })

  test('of a host that does not exist exits with 1 and one line', async () => {
    const reference = 'registry.invalid/team/app:1.0'
    const { code, stdout, stderr } = await runCli(node('a', 'pull', reference, '--to', join(folder, 'out'), '--json'))
    assert.equal(code, 1)
    assert.match(stderr, /^damselfly: [^\n]*registry\.invalid[^\n]*\n$/)
    assert.equal(jsonLines(stdout).at(-1)?.code, 'ERR_ORIGIN_UNAVAILABLE')
  })

  test('of a tag that does not exist exits with 1', async () => {
    const { code, stdout } = await runCli(
      node('a', 'pull', `${origin.host}/team/app:2.0`, '--to', join(folder, 'out'), '--json'),
    )
    assert.equal(code, 1)
    assert.equal(jsonLines(stdout).at(-1)?.code, 'ERR_ORIGIN_NOT_FOUND')
  })

  test('ends well when nobody reads what it prints', async () => {
    await using pull = new Cli(node('a', 'pull', tag, '--to', join(folder, 'out'), '--json'))
    pull.child.stdout?.destroy()
    const { code, stderr } = await pull.result()
    assert.equal(code, 0, stderr)
    await checkLayout(join(folder, 'out'), image)
  })
})

describe('inspect', () => {
  test('shows what the image consists of, and fetches no layer', async () => {
    const { code, stdout, stderr } = await runCli(node('a', 'inspect', tag, '--json'))
    assert.equal(code, 0, stderr)
    const { manifest, config, layers } = image
    assert.deepEqual(JSON.parse(stdout), {
      event: 'inspected',
      reference: tag,
      digest: manifest.digest,
      manifest,
      config,
      layers,
      platforms: [],
    })
    for (const { digest } of layers) assert.equal(origin.bytesSent(digest), 0)
  })

  test('lists the platforms of an index, and takes the one that is asked for', async () => {
    const arm = testImage({ seed: 8, layerSizes: [100], platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } })
    arm.addTo(origin, 'team/app')
    const mediaType = 'application/vnd.oci.image.index.v1+json'
    const manifests = [image, arm].map(({ manifest, platform }) => ({ ...manifest, platform }))
    const index = new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, mediaType, manifests }))
    const digest = origin.addManifest('team/app', 'multi', index, mediaType)
    const multi = `${origin.host}/team/app:multi`
    const { code, stdout, stderr } = await runCli(node('a', 'inspect', multi, '--platform', 'linux/arm64', '--json'))
    assert.equal(code, 0, stderr)
    const found = JSON.parse(stdout)
    assert.equal(found.digest, digest)
    assert.deepEqual(found.manifest.digest, arm.manifest.digest)
    assert.equal(found.platform, 'linux/arm64/v8')
    assert.deepEqual(found.platforms, ['linux/amd64', 'linux/arm64/v8'])

    const refused = await runCli(node('a', 'inspect', multi, '--platform', 'linux/s390x'))
    assert.equal(refused.code, 2)
    assert.match(refused.stderr, /linux\/s390x: choose one of linux\/amd64, linux\/arm64\/v8/)
  })
})

describe('seed and serve', () => {
  test('give an image to a node that has no registry', async () => {
    await using server = new Cli(node('serve', 'serve', '--json'))
    const ready = await server.event('ready')
    for (const address of ready.addresses ?? []) assert.ok(address.endsWith(`/p2p/${ready.peerId}`), address)
    const introducer = ready.addresses?.[0] ?? ''

    await using seeder = new Cli(node('seed', 'seed', tag, '--peer', introducer, '--json'))
    const seeding = await seeder.event('seeding')
    assert.equal(seeding.digest, image.manifest.digest)
    assert.ok(seeding.addresses?.length)

    const reference = `${origin.host}/team/app@${image.manifest.digest}`
    const out = join(folder, 'out')
    const pull = await runCli(node('a', 'pull', reference, '--to', out, '--origin', 'never', '--peer', introducer, '--json'))
    assert.equal(pull.code, 0, pull.stderr)
    await checkLayout(out, image)
    const done = jsonLines(pull.stdout).at(-1)
    assert.deepEqual(done?.bytes, { total: imageBytes, origin: 0, peers: imageBytes, stored: 0 })
    assert.equal(done?.peers?.reduce((sum, { bytes }) => sum + bytes, 0), imageBytes)

    seeder.child.kill('SIGTERM')
    assert.equal((await seeder.result()).code, 143)
    server.child.kill('SIGINT')
    assert.equal((await server.result()).code, 130)
  })

  test('a layout is seeded under the digest of its image', async () => {
    const out = join(folder, 'out')
    await runCli(node('a', 'pull', tag, '--to', out))
    await using seeder = new Cli(node('b', 'seed', out, '--json'))
    assert.equal((await seeder.event('seeding')).digest, image.manifest.digest)
  })

  test('a file is seeded under its own digest', async () => {
    const file = join(folder, 'out', 'index.json')
    await runCli(node('a', 'pull', tag, '--to', join(folder, 'out')))
    await using seeder = new Cli(node('b', 'seed', file))
    const { digestOf } = await import('../../src/index.ts')
    const first = await seeder.line((line) => line.startsWith('seeding '))
    assert.equal(first, `seeding ${digestOf(await readFile(file))}; stop with Ctrl-C`)
  })

  test('serve has the same peer id each time, and a pull from its store another one', async () => {
    await using first = new Cli(node('a', 'serve', '--json'))
    const { peerId } = await first.event('ready')
    await using seeder = new Cli(node('a', 'seed', tag, '--json'))
    assert.ok(!(await seeder.event('seeding')).addresses?.[0]?.endsWith(`/p2p/${peerId}`))
    first.child.kill('SIGTERM')
    await first.result()
    await using second = new Cli(node('a', 'serve', '--json'))
    assert.equal((await second.event('ready')).peerId, peerId)
  })
})
