import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'vitest'
import { CliFixture, image } from './cli-fixture.ts'
import { Cli, runCli } from './run-cli.ts'

let fixture: CliFixture
beforeEach(async () => {
  fixture = await CliFixture.open()
})
afterEach(() => fixture[Symbol.asyncDispose]())

describe('serve --mirror', () => {
  test('says where the mirror is, warns whose rights count, and serves images', async () => {
    const upstream = `reg.example.com=${fixture.origin.url}`
    await using server = new Cli(fixture.node('a', 'serve', '--json', '--mirror', '127.0.0.1:0', '--upstream', upstream))
    const { mirror = '' } = await server.event('ready')
    assert.match(mirror, /^http:\/\/127\.0\.0\.1:\d+$/)
    const manifest = await fetch(`${mirror}/v2/team/app/manifests/1.0?ns=reg.example.com`)
    assert.equal(manifest.status, 200)
    assert.equal(manifest.headers.get('docker-content-digest'), image.manifest.digest)
    assert.equal((await fetch(`${mirror}/readyz`)).status, 200)
    server.child.kill('SIGTERM')
    const { code, stderr } = await server.result()
    assert.equal(code, 143)
    assert.match(stderr, /^warning: everybody who can connect to http:\/\/127\.0\.0\.1:\d+ can pull what this node can/)
  })

  test('takes lists from the environment, and is silent where callers show their own credentials', async () => {
    const env = {
      DAMSELFLY_MIRROR: 'http://127.0.0.1:0',
      DAMSELFLY_UPSTREAM: `docker.io, ${fixture.origin.host}`,
      DAMSELFLY_MIRROR_AUTH: 'passthrough',
    }
    await using server = new Cli(fixture.node('a', 'serve'), env)
    const line = await server.line((text) => text.startsWith('registry mirror at '))
    const { host } = fixture.origin
    const manifest = await fetch(`${line.slice('registry mirror at '.length)}/v2/${host}/team/app/manifests/${image.manifest.digest}`)
    assert.equal(manifest.headers.get('docker-content-digest'), image.manifest.digest)
    server.child.kill('SIGTERM')
    assert.equal((await server.result()).stderr, '')
  })

  const wrong: [args: string[], says: RegExp][] = [
    [['--mirror', '127.0.0.1:0'], /--mirror needs the registries that it stands in for: add --upstream docker\.io/],
    [['--upstream', 'docker.io'], /add --mirror 127\.0\.0\.1:5001/],
    [['--mirror', 'somewhere', '--upstream', 'docker.io'], /"somewhere": write an IP address and a port/],
    [['--mirror', '127.0.0.1:0', '--upstream', 'a.example=http://b.example'], /a\.example is plain HTTP: allow that with --insecure b\.example/],
    [['--mirror', '127.0.0.1:0', '--upstream', 'docker.io', '--upstream', 'docker.io'], /names docker\.io twice/],
    [['--mirror', '127.0.0.1:0', '--upstream', 'a.example=https://me:hunter2@b.example'], /^damselfly: --upstream is not of the form (?!.*hunter2)/],
    [['--mirror', '127.0.0.1:0', '--upstream', 'docker.io', '--mirror-auth', 'none'], /write node or passthrough/],
    [['--mirror', '192.0.2.1:5001', '--upstream', 'docker.io'], /cannot listen there: give an address of this machine/],
  ]
  for (const [args, says] of wrong) {
    test(`${args.join(' ').replace('hunter2', '…')} exits with 2 and says why`, async () => {
      const { code, stderr } = await runCli(fixture.node('a', 'serve', ...args))
      assert.equal(code, 2, stderr)
      assert.match(stderr, says)
    })
  }
})
