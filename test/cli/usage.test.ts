import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { commonFlags, envName, toFlag } from '../../src/cli/flags.ts'
import { Cli, jsonLines, runCli } from './run-cli.ts'

describe('usage', () => {
  const wrong: [args: string[], says: RegExp][] = [
    [['fly'], /unknown command 'fly'/],
    [['pull', '--to', 'x'], /missing required argument 'reference'/],
    [['pull', 'alpine', 'busybox', '--to', 'x'], /too many arguments/],
    [['serve', '--what'], /unknown option '--what'/],
    [['serve', '--listen'], /argument missing/],
    [['pull', 'alpine'], /--to DIR/],
    [['pull', 'Not A Reference', '--to', 'x'], /"Not A Reference" is not /],
    [['inspect', 'http://registry.example/app'], /leave the scheme out/],
    [['serve', '--origin', 'maybe'], /--origin is "maybe": write auto or never/],
    [['serve', '--role', 'boss'], /--role is "boss": write peer or supernode/],
    [['pull', 'alpine', '--to', 'x', '--supernode', 'host:1'], /--supernode is "host:1": /],
    [['serve', '--network-key-file', '/nowhere/key'], /\/nowhere\/key cannot be read: make one with openssl/],
    [['seed', './nowhere'], /\.\/nowhere is neither a file nor a folder/],
  ]
  for (const [args, says] of wrong) {
    test(`${args.join(' ')} exits with 2 and one line that says why`, async () => {
      const { code, stdout, stderr } = await runCli(args)
      assert.equal(code, 2)
      assert.match(stderr, says)
      assert.match(stderr, /^damselfly: [^\n]+\n$/)
      assert.equal(stdout, '')
    })
  }

  test('ends with an error event where JSON is asked for', async () => {
    const { code, stdout } = await runCli(['pull', 'alpine', '--nope', '--json'])
    assert.equal(code, 2)
    assert.deepEqual(
      jsonLines(stdout).map(({ event, code: error }) => ({ event, error })),
      [{ event: 'error', error: 'ERR_REQUEST_OPTION' }],
    )
  })

  test('names the variable that holds a bad value, and gives a trace only when asked', async () => {
    const env = { DAMSELFLY_DISCOVERY: 'smoke' }
    const { code, stderr } = await runCli(['serve'], env)
    assert.equal(code, 2)
    assert.match(stderr, /DAMSELFLY_DISCOVERY is "smoke"/)
    assert.doesNotMatch(stderr, /\n\s+at /)
    assert.match((await runCli(['serve', '--verbose'], env)).stderr, /\n\s+at /)
  })

  test('without a command, shows the help and exits with 2', async () => {
    const { code, stdout, stderr } = await runCli([])
    assert.equal(code, 2)
    assert.match(stderr, /Usage: damselfly/)
    assert.equal(stdout, '')
  })
})

describe('help', () => {
  for (const command of ['pull', 'seed', 'serve', 'inspect']) {
    test(`of ${command} lists every flag with its variable and default`, async () => {
      const { code, stdout } = await runCli([command, '--help'])
      assert.equal(code, 0)
      const text = stdout.replaceAll(/\s+/g, ' ')
      for (const { name, value, byDefault } of [...commonFlags, ...(command === 'pull' ? [toFlag] : [])]) {
        assert.ok(text.includes(`--${name}${value ? ` <${value}>` : ''}`), name)
        assert.ok(text.includes(`env: ${envName(name)})`), envName(name))
        if (byDefault) assert.ok(text.includes(`default: ${byDefault};`), byDefault)
      }
      assert.match(text, /Exit codes: 0 done, 1 failed, 2 bad usage, 130 interrupted/)
    })
  }

  test('lists the commands', async () => {
    const { code, stdout } = await runCli(['--help'])
    assert.equal(code, 0)
    for (const command of ['pull', 'seed', 'serve', 'inspect']) assert.match(stdout, new RegExp(`^ {2}${command} `, 'm'))
  })

  test('ends well when nobody reads it', async () => {
    await using help = new Cli(['--help'])
    help.child.stdout?.destroy()
    assert.deepEqual(await help.result(), { code: 0, stdout: '', stderr: '' })
  })

  test('is there beside a version', async () => {
    const { code, stdout } = await runCli(['--version'])
    assert.equal(code, 0)
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/)
  })
})
