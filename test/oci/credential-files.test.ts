import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'vitest'
import type { RegistryAuth } from '../../src/oci/credential.ts'
import { credentialFiles, userCredentials } from '../../src/oci/credential-files.ts'
import { ManualClock } from './manual-clock.ts'

let home: string
const clock = new ManualClock()
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'damselfly-credentials-'))
})
afterEach(() => rm(home, { recursive: true }))

async function put(path: string, content: unknown): Promise<string> {
  const file = join(home, path)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content))
  return file
}

/** Puts a credential helper into a folder of its own, which is in PATH. */
async function putHelper(name: string, script: string): Promise<void> {
  await chmod(await put(`bin/docker-credential-${name}`, `#!/bin/sh\n${script}\n`), 0o755)
}

function lookUp(registry: string, env: NodeJS.ProcessEnv = {}, signal?: AbortSignal): Promise<RegistryAuth | undefined> {
  const path = [join(home, 'bin'), process.env['PATH']].join(delimiter)
  const provider = userCredentials({ env: { PATH: path, ...env }, homeFolder: home, clock })
  return provider({ registry, repository: 'team/app' }, { signal })
}

const auths = (username: string): object => ({
  auths: { 'reg.example': { auth: Buffer.from(`${username}:p`).toString('base64') } },
})

describe('userCredentials', () => {
  test('without any file there are none', async () => {
    assert.equal(await lookUp('reg.example'), undefined)
  })

  test("Docker's file is found in the home folder and where DOCKER_CONFIG says", async () => {
    await put('.docker/config.json', auths('home'))
    assert.deepEqual(await lookUp('reg.example'), { username: 'home', password: 'p' })
    await put('elsewhere/config.json', auths('elsewhere'))
    assert.deepEqual(await lookUp('reg.example', { DOCKER_CONFIG: join(home, 'elsewhere') }), { username: 'elsewhere', password: 'p' })
  })

  test("podman's files come before Docker's, and a file without the registry is passed over", async () => {
    await put('.docker/config.json', auths('docker'))
    await put('run/containers/auth.json', {})
    const env = { XDG_RUNTIME_DIR: join(home, 'run') }
    assert.deepEqual(await lookUp('reg.example', env), { username: 'docker', password: 'p' })
    await put('.config/containers/auth.json', auths('config'))
    assert.deepEqual(await lookUp('reg.example', env), { username: 'config', password: 'p' })
    await put('run/containers/auth.json', auths('runtime'))
    assert.deepEqual(await lookUp('reg.example', env), { username: 'runtime', password: 'p' })
  })

  test("REGISTRY_AUTH_FILE stands for podman's other files", async () => {
    assert.deepEqual(credentialFiles({ REGISTRY_AUTH_FILE: '/a.json', XDG_RUNTIME_DIR: '/run' }, '/home/me'), [
      '/a.json',
      join('/home/me', '.docker', 'config.json'),
    ])
  })

  test('a malformed file is named', async () => {
    const file = await put('.docker/config.json', '{')
    await assert.rejects(lookUp('reg.example'), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'ERR_REQUEST_OPTION')
      assert.ok(error.message.includes(file))
      return true
    })
  })

  test('a file that cannot be read is an error', async () => {
    await put('.docker/config.json/folder', '')
    await assert.rejects(lookUp('reg.example'), { code: 'ERR_REQUEST_OPTION' })
  })

  test('a credential helper is told the host on its standard input', async () => {
    await put('.docker/config.json', { credHelpers: { 'reg.example': 'echo' } })
    await putHelper('echo', 'read host; echo "{\\"Username\\":\\"for $host $1\\",\\"Secret\\":\\"s\\"}"')
    assert.deepEqual(await lookUp('reg.example'), { username: 'for reg.example get', password: 's' })
  })

  test("a helper's identity token is one", async () => {
    await put('.docker/config.json', { credsStore: 'id' })
    await putHelper('id', `echo '{"Username":"<token>","Secret":"t"}'`)
    assert.deepEqual(await lookUp('reg.example'), { identityToken: 't' })
  })

  test('a helper without credentials leaves the question to the file', async () => {
    await put('.docker/config.json', { ...auths('file'), credsStore: 'none' })
    await putHelper('none', 'echo credentials not found in native keychain; exit 1')
    assert.deepEqual(await lookUp('reg.example'), { username: 'file', password: 'p' })
  })

  for (const [what, script] of [
    ['that fails', 'echo canary; exit 3'],
    ['that talks nonsense', 'echo canary'],
    ['that never stops talking', 'while :; do echo canarycanarycanarycanary; done'],
  ] as const) {
    test(`a helper ${what} is an error that shows nothing of what it said`, async () => {
      await put('.docker/config.json', { credsStore: 'bad' })
      await putHelper('bad', script)
      await assert.rejects(lookUp('reg.example'), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'ERR_REQUEST_OPTION')
        assert.equal(error.message.includes('canary'), false)
        return true
      })
    })
  }

  test('a helper that is not there is an error', async () => {
    await put('.docker/config.json', { credsStore: 'missing' })
    await assert.rejects(lookUp('reg.example'), { code: 'ERR_REQUEST_OPTION' })
  })

  test('a helper that says nothing for ten seconds is given up', async () => {
    await put('.docker/config.json', { credsStore: 'slow' })
    await putHelper('slow', 'exec sleep 600')
    const rejected = assert.rejects(lookUp('reg.example'), { code: 'ERR_REQUEST_OPTION' })
    await clock.reached(10_000)
    clock.advance(10_000)
    await rejected
  })

  test('aborting ends a helper', async () => {
    await put('.docker/config.json', { credsStore: 'slow' })
    await putHelper('slow', 'exec sleep 600')
    const controller = new AbortController()
    const rejected = assert.rejects(lookUp('reg.example', {}, controller.signal), /enough/)
    await clock.reached(10_000)
    controller.abort(new Error('enough'))
    await rejected
    assert.equal(clock.timerCount, 0)
  })
})
