import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, test } from 'vitest'
import { isGrantSigned, parseGrant, printIssuer } from '../../src/net/grants.ts'
import { decodeGrant } from '../../src/trust/grant.ts'
import { CliFixture } from './cli-fixture.ts'
import { jsonLines, runCli } from './run-cli.ts'

const peerId = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'

let fixture: CliFixture
let key: string
beforeEach(async () => {
  fixture = await CliFixture.open()
  key = fixture.path('issuer.pem')
})
afterEach(() => fixture[Symbol.asyncDispose]())

describe('grant', () => {
  test('makes a key that only its owner reads, and signs with it', async () => {
    const made = await runCli(['grant', '--key', key, '--new'])
    assert.equal(made.code, 0, made.stderr)
    assert.equal((await stat(key)).mode & 0o777, 0o600)
    const { code, stdout } = await runCli(['grant', '--key', key, '--peer', peerId, '--match', 'r/team/**', '--ttl', '90s'])
    assert.equal(code, 0)
    const grant = decodeGrant(parseGrant(stdout.trim()) ?? assert.fail()) ?? assert.fail()
    assert.equal(isGrantSigned(grant), true)
    assert.equal(`${printIssuer(grant.issuer)}\n`, made.stdout)
    assert.deepEqual([grant.pattern.text, grant.expiresMs - grant.notBeforeMs], ['r/team/**', 90_000])
    const json = await runCli(['grant', '--key', key, '--peer', peerId, '--match', 'r/a', '--json'])
    const [line] = jsonLines(json.stdout)
    assert.equal(line?.event, 'granted')
    assert.doesNotMatch(made.stdout + stdout + json.stdout, /PRIVATE/)
  })

  test('takes a key that openssl made', async (context) => {
    try {
      execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', key], { stdio: 'ignore' })
    } catch {
      context.skip('there is no openssl here')
    }
    await chmod(key, 0o600)
    const { code, stdout, stderr } = await runCli(['grant', '--key', key])
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^[\w-]{43}\n$/)
  })

  test('never overwrites a key', async () => {
    await writeFile(key, 'mine', { mode: 0o600 })
    const { code, stderr } = await runCli(['grant', '--key', key, '--new'])
    assert.equal(code, 2)
    assert.match(stderr, /does not exist yet/)
    assert.equal(await readFile(key, 'utf8'), 'mine')
  })

  test.each([0o644, 0o640, 0o660, 0o604])('refuses a key that others may read or change (%o), and does not show it', async (mode) => {
    await runCli(['grant', '--key', key, '--new'])
    await chmod(key, mode)
    const { code, stdout, stderr } = await runCli(['grant', '--key', key, '--peer', peerId, '--match', 'r/a'])
    assert.equal(code, 2)
    assert.equal(stdout, '')
    assert.match(stderr, new RegExp(`has mode ${mode.toString(8)}: .*chmod 600`))
    assert.ok(!stderr.includes((await readFile(key, 'utf8')).split('\n')[1] ?? ''))
  })

  test.each<[string[], RegExp]>([
    [[], /--key FILE/],
    [['--key', '/nowhere/key'], /cannot be read: make one with --new/],
    [['--peer', peerId], /--key FILE/],
    [['--ttl', 'soon'], /--ttl is "soon": write a number with s, m or h/],
  ])('%j says what is missing', async (args, says) => {
    const { code, stderr } = await runCli(['grant', ...args])
    assert.equal(code, 2)
    assert.match(stderr, says)
  })

  test('needs to know who, and what', async () => {
    await runCli(['grant', '--key', key, '--new'])
    for (const [args, says] of [
      [['--peer', peerId], /--match PATTERN/],
      [['--match', 'r/a'], /--peer ID/],
      [['--match', 'r/a', '--peer', 'me'], /no peer id/],
      [['--match', 'all', '--peer', peerId], /no pattern/],
      [['--match', 'r/a', '--peer', peerId, '--ttl', '25h'], /24 hours/],
    ] as const) {
      const { code, stderr } = await runCli(['grant', '--key', key, ...args])
      assert.equal(code, 2)
      assert.match(stderr, says)
    }
  })
})
