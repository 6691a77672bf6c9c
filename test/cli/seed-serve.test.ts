import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { checkLayout } from '../demo/image-layout.ts'
import { CliFixture, image, imageBytes } from './cli-fixture.ts'
import { Cli, jsonLines, runCli } from './run-cli.ts'

let fixture: CliFixture
beforeEach(async () => {
  fixture = await CliFixture.open()
})
afterEach(() => fixture[Symbol.asyncDispose]())

describe('seed and serve', () => {
  test('give an image to a node that has no registry', async () => {
    await using server = new Cli(fixture.node('serve', 'serve', '--json'))
    const ready = await server.event('ready')
    for (const address of ready.addresses ?? []) assert.ok(address.endsWith(`/p2p/${ready.peerId}`), address)
    const introducer = ready.addresses?.[0] ?? ''

    await using seeder = new Cli(fixture.node('seed', 'seed', fixture.tag, '--peer', introducer, '--json'))
    const seeding = await seeder.event('seeding')
    assert.equal(seeding.digest, image.manifest.digest)
    assert.ok(seeding.addresses?.length)

    const out = fixture.path('out')
    const args = ['pull', fixture.byDigest, '--to', out, '--origin', 'never', '--peer', introducer, '--json']
    const pull = await runCli(fixture.node('a', ...args))
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
    const out = fixture.path('out')
    await runCli(fixture.node('a', 'pull', fixture.tag, '--to', out))
    await using seeder = new Cli(fixture.node('b', 'seed', out, '--json'))
    assert.equal((await seeder.event('seeding')).digest, image.manifest.digest)
  })

  test('a file is seeded under its own digest', async () => {
    const file = fixture.path('layer.tar')
    await writeFile(file, 'bytes of any kind')
    await using seeder = new Cli(fixture.node('a', 'seed', file))
    const first = await seeder.line((line) => line.startsWith('seeding '))
    assert.equal(first, `seeding ${digestOf(Buffer.from('bytes of any kind'))}; stop with Ctrl-C`)
  })

  test('with a network key, give to those who have it and to nobody else', async () => {
    const key = ['--network-key-file', fixture.path('key')]
    await writeFile(fixture.path('key'), `${'5a'.repeat(32)}\n`, { mode: 0o600 })
    await using seeder = new Cli(fixture.node('seed', 'seed', fixture.tag, '--json', ...key))
    const address = (await seeder.event('seeding')).addresses?.[0] ?? ''
    const args = ['pull', fixture.byDigest, '--to', fixture.path('out'), '--origin', 'never', '--peer', address, '--json']

    const stranger = await runCli(fixture.node('a', ...args))
    assert.equal(stranger.code, 1)
    assert.equal(jsonLines(stranger.stdout).at(-1)?.code, 'ERR_SWARM_NO_SOURCE')
    const member = await runCli(fixture.node('a', ...args, ...key))
    assert.equal(member.code, 0, member.stderr)
    await checkLayout(fixture.path('out'), image)

    await writeFile(fixture.path('key'), 'open sesame\n')
    const mistaken = await runCli(fixture.node('a', ...args, ...key))
    assert.equal(mistaken.code, 2)
    assert.doesNotMatch(mistaken.stderr, /sesame/)
  })

  test('serve has the same peer id each time, and a pull from its store another one', async () => {
    await using first = new Cli(fixture.node('a', 'serve', '--json'))
    const { peerId } = await first.event('ready')
    await using seeder = new Cli(fixture.node('a', 'seed', fixture.tag, '--json'))
    assert.ok(!(await seeder.event('seeding')).addresses?.[0]?.endsWith(`/p2p/${peerId}`))
    first.child.kill('SIGTERM')
    await first.result()
    await using second = new Cli(fixture.node('a', 'serve', '--json'))
    assert.equal((await second.event('ready')).peerId, peerId)
  })
})
