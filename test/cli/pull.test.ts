import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'vitest'
import { checkLayout } from '../demo/image-layout.ts'
import { CliFixture, image, imageBytes } from './cli-fixture.ts'
import { Cli, jsonLines, runCli } from './run-cli.ts'

let fixture: CliFixture
beforeEach(async () => {
  fixture = await CliFixture.open()
})
afterEach(() => fixture[Symbol.asyncDispose]())

describe('pull', () => {
  test('writes a layout with every blob, and says where the bytes came from', async () => {
    const { code, stdout, stderr } = await runCli(fixture.node('a', 'pull', fixture.tag, '--to', fixture.path('out')))
    assert.equal(code, 0, stderr)
    await checkLayout(fixture.path('out'), image)
    assert.match(stdout, new RegExp(`^${image.manifest.digest} 4\\.0 MiB in \\d+\\.\\d s: 4\\.0 MiB from the origin, 0 B from 0 peers`))
    for (const { digest } of image.layers) {
      assert.equal(stderr.split('\n').filter((line) => line.startsWith(`${digest} started`)).length, 1)
      assert.equal(stderr.split('\n').filter((line) => line.startsWith(`${digest} complete`)).length, 1)
    }
    assert.ok(!stderr.includes('\u001B'))
  })

  test('with --json prints progress and ends with what moved; the same store moves nothing again', async () => {
    const args = fixture.node('a', 'pull', fixture.tag, '--to', fixture.path('out'), '--json')
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

    const sentBefore = image.layers.map(({ digest }) => fixture.origin.bytesSent(digest))
    const second = await runCli(args)
    assert.equal(second.code, 0, second.stderr)
    assert.deepEqual(image.layers.map(({ digest }) => fixture.origin.bytesSent(digest)), sentBefore)
    const { total, stored, peers } = jsonLines(second.stdout).at(-1)?.bytes ?? {}
    assert.equal(total, imageBytes)
    assert.equal(peers, 0)
    // The tag itself is asked at the registry each time; what it names is here.
    assert.equal(stored, imageBytes)
  })

  test('interrupted, exits with 130, and goes on where it was', async () => {
    // One piece passes at once; then the origin has time for a signal.
    const [layer] = image.layers
    const endFault = fixture.origin.fault(layer?.digest ?? '', { bytesPerSecond: 256 * 1024 })
    const args = fixture.node('a', 'pull', fixture.tag, '--to', fixture.path('out'), '--json')
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
    await checkLayout(fixture.path('out'), image)
  })

  test('of a host that does not exist exits with 1 and one line', async () => {
    const reference = 'registry.invalid/team/app:1.0'
    const { code, stdout, stderr } = await runCli(fixture.node('a', 'pull', reference, '--to', fixture.path('out'), '--json'))
    assert.equal(code, 1)
    assert.match(stderr, /^damselfly: [^\n]*registry\.invalid[^\n]*\n$/)
    assert.equal(jsonLines(stdout).at(-1)?.code, 'ERR_ORIGIN_UNAVAILABLE')
  })

  test('of a tag that does not exist exits with 1', async () => {
    const { code, stdout } = await runCli(
      fixture.node('a', 'pull', `${fixture.origin.host}/team/app:2.0`, '--to', fixture.path('out'), '--json'),
    )
    assert.equal(code, 1)
    assert.equal(jsonLines(stdout).at(-1)?.code, 'ERR_ORIGIN_NOT_FOUND')
  })

  test('ends well when nobody reads what it prints', async () => {
    await using pull = new Cli(fixture.node('a', 'pull', fixture.tag, '--to', fixture.path('out'), '--json'))
    pull.child.stdout?.destroy()
    const { code, stderr } = await pull.result()
    assert.equal(code, 0, stderr)
    await checkLayout(fixture.path('out'), image)
  })
})
