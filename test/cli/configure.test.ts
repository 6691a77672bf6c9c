import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'vitest'
import { runCli, type CliResult } from './run-cli.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'damselfly-root-'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

function configure(...args: readonly string[]): Promise<CliResult> {
  return runCli(['configure', ...args, '--root', root, '--json'])
}

async function put(path: string, text: string | Buffer): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true })
  await writeFile(join(root, path), text)
}

/** Every file below the root, and every folder that is empty. */
async function tree(): Promise<Record<string, string>> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return Object.fromEntries(await Promise.all(files.toSorted().map(async (path) => [path.slice(root.length), await readFile(path, 'utf8')] as const)))
}

describe('configure', () => {
  for (const engine of ['containerd', 'docker', 'podman', 'crio']) {
    test(`puts the mirror before ${engine}, does nothing a second time, and undoes it`, async () => {
      await put('/etc/containerd/config.toml', 'version = 2\n')
      await put('/etc/containerd/certs.d/docker.io/hosts.toml', '# mine\nserver = "https://hub.internal"\n')
      await put('/etc/containerd/certs.d/docker.io/ca.crt', 'a certificate')
      await put('/etc/docker/daemon.json', '{\n    "debug": true\n}')
      await put('/etc/containers/registries.conf', 'unqualified-search-registries = ["docker.io"]\n')
      const before = await tree()
      const args = [engine, '--upstream', 'docker.io', '--mirror', '127.0.0.1:6001']
      const dry = await configure(...args, '--dry-run')
      assert.deepEqual(await tree(), before)
      const { files } = JSON.parse(dry.stdout)
      assert.match(files.at(-1).diff, /^\+.*127\.0\.0\.1:6001/m)

      const first = await configure(...args)
      assert.equal(first.code, 0, first.stderr)
      const configured = await tree()
      for (const { path } of files) assert.ok(configured[path] !== undefined, path)
      assert.deepEqual(JSON.parse((await configure(...args)).stdout).files, [])
      assert.deepEqual(await tree(), configured)

      assert.equal((await configure(engine, '--undo')).code, 0)
      assert.deepEqual(await tree(), before)
    })
  }

  test('keeps the rights of a file, and follows a link to it', async () => {
    await put('/etc/docker/real.json', '{"debug": true}')
    await chmod(join(root, '/etc/docker/real.json'), 0o600)
    await symlink('real.json', join(root, '/etc/docker/daemon.json'))
    assert.equal((await configure('docker')).code, 0)
    assert.match(await readFile(join(root, '/etc/docker/real.json'), 'utf8'), /registry-mirrors/)
    assert.equal((await stat(join(root, '/etc/docker/real.json'))).mode & 0o777, 0o600)
  })

  test('takes the folder of a registry away with its last file', async () => {
    await configure('containerd', '--upstream', 'quay.io')
    assert.deepEqual(await readdir(join(root, '/etc/containerd/certs.d')), ['quay.io'])
    await configure('containerd', '--undo')
    assert.deepEqual(await readdir(join(root, '/etc/containerd/certs.d')), [])
  })

  test('prints diffs for people', async () => {
    const { stdout } = await runCli(['configure', 'podman', '--root', root, '--dry-run'])
    assert.match(stdout, /^--- \/dev\/null\n\+\+\+ \/etc\/containers\/registries\.conf\.d\/50-damselfly\.conf\n@@ -0,0 \+1,\d+ @@\n\+# >>> damselfly/)
    assert.match(stdout, /nothing was written: --dry-run\n$/)
  })

  test('writes nothing where one of several files is malformed, and says where', async () => {
    await put('/etc/containerd/certs.d/quay.io/hosts.toml', 'server = "a"\n[host."x]\n')
    const before = await tree()
    const { code, stderr } = await configure('containerd', '--upstream', 'docker.io', '--upstream', 'quay.io')
    assert.equal(code, 2)
    assert.match(stderr, /certs\.d\/quay\.io\/hosts\.toml, line 2, column \d+: .*nothing was written/)
    assert.deepEqual(await tree(), before)
  })

  test('does not follow a link out of the root', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'damselfly-outside-'))
    try {
      await writeFile(join(outside, 'daemon.json'), '{}')
      await mkdir(join(root, '/etc/docker'), { recursive: true })
      await symlink(join(outside, 'daemon.json'), join(root, '/etc/docker/daemon.json'))
      const { code, stderr } = await configure('docker')
      assert.equal(code, 2)
      assert.deepEqual(await readdir(join(root, '/etc/docker')), ['daemon.json'])
      assert.match(stderr, /is a link that leads out of/)
      assert.equal(await readFile(join(outside, 'daemon.json'), 'utf8'), '{}')
    } finally {
      await rm(outside, { recursive: true, force: true })
    }
  })

  const wrong: [args: string[], says: RegExp][] = [
    [['kubelet'], /"kubelet" is no engine that can be configured: write containerd, docker, podman, crio/],
    [['docker', '--write-config'], /--write-config is for containerd/],
    [['docker', '--upstream', 'quay.io'], /Docker Hub only/],
    [['podman', '--mirror', 'http://127.0.0.1:5001/x'], /with nothing behind the port/],
  ]
  for (const [args, says] of wrong) {
    test(`${args.join(' ')} exits with 2 and says why`, async () => {
      const { code, stderr } = await configure(...args)
      assert.equal(code, 2)
      assert.match(stderr, says)
    })
  }

  test('refuses a file that is no text', async () => {
    await put('/etc/docker/daemon.json', Buffer.from([0x7b, 0xff, 0x7d]))
    assert.match((await configure('docker')).stderr, /daemon\.json is not text in UTF-8/)
  })
})
