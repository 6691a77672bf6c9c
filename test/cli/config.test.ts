import assert from 'node:assert/strict'
import { InvalidArgumentError } from 'commander'
import { describe, test } from 'vitest'
import { readSettings, wantsJson, type Environment, type GivenFlags } from '../../src/cli/config.ts'
import { commonFlags, envName, toFlag } from '../../src/cli/flags.ts'
import type { Settings } from '../../src/cli/config.ts'

const home = { HOME: '/home/ada' }

describe('readSettings', () => {
  test('has a default for everything', () => {
    assert.deepEqual(readSettings({}, home), {
      storeDir: '/home/ada/.cache/damselfly',
      containerdRoot: undefined,
      listen: ['/ip4/0.0.0.0/tcp/0'],
      peers: [],
      discovery: [{ kind: 'dht' }, { kind: 'mdns' }],
      networkKeyFile: undefined,
      allowedPeers: [],
      shares: [],
      grantFile: undefined,
      identityFile: undefined,
      platform: undefined,
      insecureHosts: [],
      origin: 'auto',
      role: 'peer',
      supernodes: [],
      trustedRanges: [],
      location: {},
      mirror: undefined,
      upstreams: [],
      mirrorAuth: 'node',
      root: '/',
      dryRun: false,
      undo: false,
      writeConfig: false,
      to: undefined,
      json: false,
      verbose: false,
    })
  })

  test('keeps the store in XDG_CACHE_HOME where that is set', () => {
    assert.equal(readSettings({}, { ...home, XDG_CACHE_HOME: '/var/cache' }).storeDir, '/var/cache/damselfly')
  })

  const read: [given: GivenFlags, env: Environment, expected: Partial<Settings>][] = [
    [{ store: '/data' }, {}, { storeDir: '/data' }],
    [{}, { DAMSELFLY_STORE: '/data' }, { storeDir: '/data' }],
    [{ store: '/flag' }, { DAMSELFLY_STORE: '/env' }, { storeDir: '/flag' }],
    [{ backend: 'containerd=/var/lib/containerd' }, {}, { containerdRoot: '/var/lib/containerd' }],
    [{ backend: 'fs' }, { DAMSELFLY_BACKEND: 'containerd=/srv' }, { containerdRoot: undefined }],
    [{ listen: ['/ip4/127.0.0.1/tcp/1', '/ip6/::1/tcp/2'] }, {}, { listen: ['/ip4/127.0.0.1/tcp/1', '/ip6/::1/tcp/2'] }],
    [{}, { DAMSELFLY_LISTEN: '/ip4/127.0.0.1/tcp/1, /ip6/::1/tcp/2,' }, { listen: ['/ip4/127.0.0.1/tcp/1', '/ip6/::1/tcp/2'] }],
    [{ peer: ['/dns4/a/tcp/1'] }, { DAMSELFLY_PEER: '/dns4/b/tcp/1' }, { peers: ['/dns4/a/tcp/1'] }],
    [{ discovery: ['none'] }, { DAMSELFLY_DISCOVERY: 'dht' }, { discovery: [] }],
    [{ discovery: ['mdns', 'dns=db:4001'] }, {}, { discovery: [{ kind: 'mdns' }, { kind: 'dns', host: 'db:4001' }] }],
    [{}, { DAMSELFLY_DISCOVERY: 'dns=[::1]:1,dht' }, { discovery: [{ kind: 'dns', host: '[::1]:1' }, { kind: 'dht' }] }],
    [{ 'network-key-file': 'key' }, {}, { networkKeyFile: 'key' }],
    [{}, { DAMSELFLY_NETWORK_KEY_FILE: 'key' }, { networkKeyFile: 'key' }],
    [{ 'allow-peer': ['a', 'b'] }, {}, { allowedPeers: ['a', 'b'] }],
    [{}, { DAMSELFLY_ALLOW_PEER: 'a,b' }, { allowedPeers: ['a', 'b'] }],
    [
      { share: ['r/a/**=never', 'r/**=grant:one+two'] },
      {},
      { shares: [{ match: 'r/a/**', access: 'never' }, { match: 'r/**', access: { grant: { issuers: ['one', 'two'] } } }] },
    ],
    [{}, { DAMSELFLY_SHARE: 'r/a=public,**=network' }, { shares: [{ match: 'r/a', access: 'public' }, { match: '**', access: 'network' }] }],
    [{ 'grant-file': 'grants' }, {}, { grantFile: 'grants' }],
    [{}, { DAMSELFLY_GRANT_FILE: 'grants' }, { grantFile: 'grants' }],
    [{ 'identity-file': 'id' }, {}, { identityFile: 'id' }],
    [{ platform: 'linux/arm/v7' }, {}, { platform: 'linux/arm/v7' }],
    [{ insecure: ['localhost:5000', '[::1]:5000'] }, {}, { insecureHosts: ['localhost:5000', '[::1]:5000'] }],
    [{}, { DAMSELFLY_INSECURE: 'a:1,b:2' }, { insecureHosts: ['a:1', 'b:2'] }],
    [{ origin: 'never' }, { DAMSELFLY_ORIGIN: 'auto' }, { origin: 'never' }],
    [{ role: 'supernode' }, { DAMSELFLY_ROLE: 'peer' }, { role: 'supernode' }],
    [{}, { DAMSELFLY_ROLE: 'supernode' }, { role: 'supernode' }],
    [{ 'trusted-range': ['10.0.0.0/8', 'fd00::/8'] }, {}, { trustedRanges: ['10.0.0.0/8', 'fd00::/8'] }],
    [{ supernode: ['/dns4/a/tcp/1'] }, { DAMSELFLY_SUPERNODE: '/dns4/b/tcp/1' }, { supernodes: ['/dns4/a/tcp/1'] }],
    [{}, { DAMSELFLY_SUPERNODE: '/dns4/a/tcp/1,/dns4/b/tcp/1' }, { supernodes: ['/dns4/a/tcp/1', '/dns4/b/tcp/1'] }],
    [{ zone: 'b' }, { DAMSELFLY_REGION: 'eu', DAMSELFLY_ZONE: 'a' }, { location: { region: 'eu', zone: 'b' } }],
    [{ rack: 'r1' }, {}, { location: { rack: 'r1' } }],
    [{ to: 'out' }, {}, { to: 'out' }],
    [{}, { DAMSELFLY_TO: 'out' }, { to: 'out' }],
    [{ json: true }, {}, { json: true }],
    [{}, { DAMSELFLY_JSON: '1', DAMSELFLY_VERBOSE: 'true' }, { json: true, verbose: true }],
    [{ json: true }, { DAMSELFLY_JSON: '0' }, { json: true }],
    [{}, { DAMSELFLY_JSON: 'false', DAMSELFLY_VERBOSE: '' }, { json: false, verbose: false }],
    [{}, { DAMSELFLY_STORE: '', DAMSELFLY_LISTEN: '', DAMSELFLY_DISCOVERY: '' }, {}],
    [{}, { DAMSELFLY_SOMETHING_ELSE: 'x' }, {}],
  ]
  for (const [given, env, expected] of read) {
    test(`${JSON.stringify(given)} with ${JSON.stringify(env)} is ${JSON.stringify(expected)}`, () => {
      assert.deepEqual(readSettings(given, { ...home, ...env }), { ...readSettings({}, home), ...expected })
    })
  }

  const refused: [given: GivenFlags, env: Environment, names: string][] = [
    [{ store: '' }, {}, '--store'],
    [{ backend: 'containerd' }, {}, '--backend'],
    [{ backend: 'containerd=' }, {}, '--backend'],
    [{ listen: ['4001'] }, {}, '--listen'],
    [{}, { DAMSELFLY_LISTEN: '0.0.0.0:4001' }, 'DAMSELFLY_LISTEN'],
    [{ peer: ['host:4001'] }, {}, '--peer'],
    [{ discovery: ['bluetooth'] }, {}, '--discovery'],
    [{ discovery: ['dht,none'] }, {}, '--discovery'],
    [{ discovery: ['dns=host'] }, {}, '--discovery'],
    [{}, { DAMSELFLY_DISCOVERY: 'dns' }, 'DAMSELFLY_DISCOVERY'],
    [{ platform: 'linux' }, {}, '--platform'],
    [{ platform: 'linux/arm/v7/x' }, {}, '--platform'],
    [{ insecure: ['http://localhost:5000'] }, {}, '--insecure'],
    [{ insecure: ['localhost:5000/v2'] }, {}, '--insecure'],
    [{ origin: 'always' }, {}, '--origin'],
    [{ role: 'tracker' }, {}, '--role'],
    [{}, { DAMSELFLY_ROLE: 'Supernode' }, 'DAMSELFLY_ROLE'],
    [{ supernode: ['host:4001'] }, {}, '--supernode'],
    [{ 'trusted-range': ['home'] }, {}, '--trusted-range'],
    [{}, { DAMSELFLY_JSON: 'yes' }, 'DAMSELFLY_JSON'],
  ]
  for (const [given, env, names] of refused) {
    test(`${JSON.stringify({ ...given, ...env })} is refused by name`, () => {
      assert.throws(
        () => readSettings(given, { ...home, ...env }),
        (error: unknown) => error instanceof InvalidArgumentError && error.message.startsWith(`${names} is `),
      )
    })
  }

  test('reads the variable that the help names for every flag', () => {
    const samples: Record<string, string> = {
      backend: 'containerd=/srv',
      listen: '/ip4/127.0.0.1/tcp/1',
      peer: '/ip4/127.0.0.1/tcp/1',
      discovery: 'mdns',
      platform: 'linux/s390x',
      insecure: 'localhost',
      origin: 'never',
      role: 'supernode',
      supernode: '/ip4/127.0.0.1/tcp/1',
      'trusted-range': '10.0.0.0/8',
      share: 'r/a=public',
      json: '1',
      verbose: '1',
    }
    const defaults = readSettings({}, home)
    for (const { name } of [toFlag, ...commonFlags]) {
      const settings = readSettings({}, { ...home, [envName(name)]: samples[name] ?? 'x' })
      assert.notDeepEqual(settings, defaults, name)
    }
  })
})

describe('wantsJson', () => {
  test('is true for the flag and the variable, and does not mind what else is wrong', () => {
    assert.equal(wantsJson(['pull', '--json', '--what'], {}), true)
    assert.equal(wantsJson(['pull'], { DAMSELFLY_JSON: '1' }), true)
    assert.equal(wantsJson(['pull'], { DAMSELFLY_JSON: 'yes' }), false)
  })
})
