import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, test } from 'vitest'
import { embeddedOrigin, type EmbeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { checkLayout } from '../demo/image-layout.ts'
import { CliFixture, image } from './cli-fixture.ts'
import { Cli, jsonLines, runCli } from './run-cli.ts'

const auth = { scheme: 'basic', username: 'alice', password: 'opensesame' } as const

let fixture: CliFixture
let origin: EmbeddedOrigin
beforeEach(async () => {
  fixture = await CliFixture.open()
  origin = await embeddedOrigin({ auth })
  image.addTo(origin, 'team/app', '1.0')
  await mkdir(fixture.path('docker'))
  const token = Buffer.from(`${auth.username}:${auth.password}`).toString('base64')
  await writeFile(fixture.path('docker/config.json'), JSON.stringify({ auths: { [origin.host]: { auth: token } } }))
})
afterEach(async () => {
  await origin.close()
  await fixture[Symbol.asyncDispose]()
})

/** A node that may log in to the registry. */
function owner(store: string, ...args: string[]): Cli {
  return new Cli(fixture.node(store, ...args, '--insecure', origin.host), { DOCKER_CONFIG: fixture.path('docker') })
}

describe('a private image', () => {
  test('is withheld, which is said once, as text and as JSON', async () => {
    const tag = `${origin.host}/team/app:1.0`
    await using json = owner('a', 'pull', tag, '--to', fixture.path('a-out'), '--json')
    const said = await json.result()
    assert.equal(said.code, 0, said.stderr)
    const withheld = jsonLines(said.stdout).filter(({ event }) => event === 'withheld')
    assert.deepEqual(withheld.map((line) => [line.repository, line.advice]), [
      [`${origin.host}/team/app`, 'network: { key } makes a closed network whose members share it'],
    ])
    await using plain = owner('b', 'pull', tag, '--to', fixture.path('b-out'))
    const { stderr } = await plain.result()
    assert.equal(stderr.match(/withheld from all peers/g)?.length, 1)
    assert.match(stderr, /network: \{ key \} makes a closed network/)
  })

  test('goes to the node that shows a grant, and to no other', async () => {
    const key = fixture.path('issuer.pem')
    const issuer = (await runCli(['grant', '--key', key, '--new'])).stdout.trim()
    await using seeder = owner('seed', 'seed', `${origin.host}/team/app:1.0`, '--share', `${origin.host}/team/**=grant:${issuer}`, '--json')
    const address = (await seeder.event('seeding')).addresses?.[0] ?? ''
    const identity = fixture.path('identity')
    await using first = new Cli(fixture.node('peer', 'serve', '--identity-file', identity, '--json'))
    const { peerId = '' } = await first.event('ready')
    first.child.kill('SIGTERM')
    await first.result()
    const granted = await runCli(['grant', '--key', key, '--peer', peerId, '--match', `${origin.host}/team/**`, '--ttl', '10m'])
    await writeFile(fixture.path('grant'), granted.stdout)
    const out = fixture.path('out')
    const args = ['pull', `${origin.host}/team/app@${image.manifest.digest}`, '--to', out, '--origin', 'never', '--peer', address, '--json']
    const stranger = await runCli(fixture.node('stranger', ...args))
    assert.equal(jsonLines(stranger.stdout).at(-1)?.code, 'ERR_SWARM_NO_SOURCE')
    const misled = await runCli(fixture.node('stranger', ...args, '--grant-file', fixture.path('grant')))
    assert.equal(misled.code, 2)
    assert.match(misled.stderr, /is not for this node/)
    const friend = await runCli(fixture.node('friend', ...args, '--identity-file', identity), { DAMSELFLY_GRANT_FILE: fixture.path('grant') })
    assert.equal(friend.code, 0, friend.stderr)
    await checkLayout(out, image)
  })

  test('goes to the peers that are allowed', async () => {
    const identity = fixture.path('identity')
    await using first = new Cli(fixture.node('peer', 'serve', '--identity-file', identity, '--json'))
    const { peerId = '' } = await first.event('ready')
    first.child.kill('SIGTERM')
    await first.result()
    await using seeder = owner('seed', 'seed', `${origin.host}/team/app:1.0`, '--allow-peer', peerId, '--json')
    const address = (await seeder.event('seeding')).addresses?.[0] ?? ''
    const [, seederId = ''] = /\/p2p\/(.+)$/.exec(address) ?? []
    const out = fixture.path('out')
    const args = ['pull', `${origin.host}/team/app@${image.manifest.digest}`, '--to', out, '--origin', 'never', '--peer', address, '--json']
    const stranger = await runCli(fixture.node('stranger', ...args, '--allow-peer', seederId))
    assert.equal(jsonLines(stranger.stdout).at(-1)?.code, 'ERR_SWARM_NO_SOURCE')
    const member = await runCli(fixture.node('member', ...args, '--allow-peer', seederId, '--identity-file', identity))
    assert.equal(member.code, 0, member.stderr)
    await checkLayout(out, image)
  })
})
