import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { RequestError } from '../../src/core/errors.ts'
import { mergeContainerdHosts } from '../../src/mirror/containerd-hosts.ts'
import { withoutBlock } from '../../src/mirror/marked-block.ts'
import { tomlOf } from './toml.ts'

const mirrorUrl = 'http://127.0.0.1:5001'
const init = { path: 'hosts.toml', mirrorUrl, neighbours: [] }

/** Lines that a user may have before his first table, and tables that he may have; none names another's key. */
const keyLines = [
  'server = "https://reg.example.com"',
  '# a comment',
  '',
  'capabilities = [\n  "pull", # one\n  "resolve",\n]',
  'client = [\n  ["a.cert", "a.key"],\n  ["b.cert", "b.key"],\n]',
  'text = """\n[host."not.a.table"]\n# not a comment"""',
  "raw = '''\n[no]\n''''",
  'escaped = "\\"[x]#"',
  '  skip_verify = false   # as it is',
]
const tables = [
  '[host."https://a.example"]\n  capabilities = ["pull"]\n',
  '# of b\n[host."https://b.example"]\n',
  '[host."https://c.example"] # with headers\n[host."https://c.example".header]\n  x-token = ["[1]"]\n',
  '\n[header]\n  authorization = "x"',
]
const userText = fc
  .record({
    keys: fc.shuffledSubarray(keyLines),
    tables: fc.shuffledSubarray(tables),
    eol: fc.constantFrom('\n', '\r\n'),
    end: fc.boolean(),
  })
  .map(({ keys, tables: chosen, eol, end }) => [...keys, ...chosen].join('\n').replaceAll('\n', eol) + (end ? eol : ''))

describe('mergeContainerdHosts', () => {
  test('puts the mirror before the hosts that are there, and keeps all else to the byte', () => {
    const users = 'server = "https://reg.example.com"\n\n# ours, for years\n[host."https://old.example"]\n  capabilities = ["pull"]\n'
    const merged = mergeContainerdHosts(users, init)
    assert.deepEqual(Object.keys(tomlOf(merged)['host'] ?? {}), [mirrorUrl, 'https://old.example'])
    const [head = '', tail = ''] = users.split('# ours')
    assert.ok(merged.startsWith(head))
    assert.ok(merged.endsWith(`# ours${tail}`))
  })

  test('makes a file that says what containerd did without it', () => {
    const neighbours = ['ca.crt', 'x.cert', 'x.key', 'lone.cert', 'notes.txt']
    const merged = mergeContainerdHosts(undefined, { ...init, serverUrl: 'https://10.0.0.7:5000', neighbours })
    assert.deepEqual(tomlOf(merged), {
      server: 'https://10.0.0.7:5000',
      ca: ['ca.crt'],
      client: [['x.cert', 'x.key']],
      host: { [mirrorUrl]: { capabilities: ['pull', 'resolve'] } },
    })
    assert.equal(withoutBlock(merged, 'hosts.toml'), undefined)
  })

  test('keeps what it means, comes out again to the byte, and changes nothing a second time, whatever the file looks like', () => {
    fc.assert(
      fc.property(userText, (users) => {
        const merged = mergeContainerdHosts(users, init)
        const before = tomlOf(users)
        const { host, ...rest } = tomlOf(merged)
        const { host: usersHost, ...usersRest } = before
        assert.deepEqual(rest, usersRest)
        assert.deepEqual(host, { [mirrorUrl]: { capabilities: ['pull', 'resolve'] }, ...Object(usersHost) })
        assert.equal(Object.keys(Object(host))[0], mirrorUrl)
        assert.equal(mergeContainerdHosts(merged, init), merged)
        assert.equal(withoutBlock(merged, 'hosts.toml'), users)
      }),
    )
  })

  test('moves with the mirror', () => {
    fc.assert(
      fc.property(userText, (users) => {
        const moved = { ...init, mirrorUrl: 'http://127.0.0.1:6001' }
        assert.equal(mergeContainerdHosts(mergeContainerdHosts(users, init), moved), mergeContainerdHosts(users, moved))
      }),
    )
  })

  test('leaves what the user writes around it', () => {
    const users = '[host."https://a.example"]\n'
    const merged = mergeContainerdHosts(users, init)
    assert.equal(withoutBlock(`# before\n${merged}# after\n`, 'hosts.toml'), `# before\n${users}# after\n`)
  })

  test('leaves a file in which its user named the mirror', () => {
    const users = `[host."${mirrorUrl}"]\n  capabilities = ["pull"]\n`
    assert.equal(mergeContainerdHosts(users, init), users)
    assert.equal(withoutBlock(users, 'hosts.toml'), users)
  })

  const refused: [text: string, says: RegExp][] = [
    ['server = "a"\nserver = "b"\n', /^hosts\.toml, line 2, column \d+: .*nothing was written$/],
    ['server = \n', /^hosts\.toml, line 1, column \d+: /],
    ['a = 1\n[host."x"\n', /^hosts\.toml, line 2, column \d+: /],
    ['host = { "https://a.example" = {} }\n', /^hosts\.toml is written in a way .* add by hand \[host\."http:\/\/127\.0\.0\.1:5001"\]/],
  ]
  for (const [text, says] of refused) {
    test(`says what is wrong with ${JSON.stringify(text)}`, () => {
      assert.throws(() => mergeContainerdHosts(text, init), (error) => error instanceof RequestError && says.test(error.message))
    })
  }

  test('takes no lines for its own that somebody changed', () => {
    const merged = mergeContainerdHosts('[host."https://a.example"]\n', init)
    const broken = [merged.replace('"resolve"', '"push"'), merged.replace('# <<< damselfly\n', ''), merged.replace(/^# >>>.*\n/, ''), merged + merged]
    for (const text of broken) {
      assert.throws(() => withoutBlock(text, 'hosts.toml'), wasEdited, text)
    }
    assert.throws(() => mergeContainerdHosts(broken[0], init), wasEdited)
  })
})

function wasEdited(error: unknown): boolean {
  return error instanceof RequestError && /^hosts\.toml, line \d+: what stands between the marks of damselfly was edited/.test(error.message)
}
