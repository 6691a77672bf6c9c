import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { certsFolder, checkContainerdConfig, mergeContainerdConfig } from '../../src/mirror/containerd-config.ts'
import { withoutBlock } from '../../src/mirror/marked-block.ts'
import { tomlOf } from './toml.ts'

const path = 'config.toml'
const cri = 'plugins."io.containerd.grpc.v1.cri".registry'

describe('checkContainerdConfig', () => {
  const cases: [text: string | undefined, verdict: object][] = [
    [undefined, { kind: 'unset', header: `[${cri}]` }],
    ['version = 2\n', { kind: 'unset', header: `[${cri}]` }],
    ['version = 3\n', { kind: 'unset', header: '[plugins."io.containerd.cri.v1.images".registry]' }],
    ['[debug]\n', { kind: 'unset', header: '[plugins.cri.registry]' }],
    [`version = 2\n[${cri}]\nconfig_path = ""\n`, { kind: 'unset', header: `[${cri}]` }],
    [`version = 2\n[${cri}]\nconfig_path = "${certsFolder}"\n`, { kind: 'set' }],
    [`version = 2\n[${cri}]\nconfig_path = "/etc/docker/certs.d:${certsFolder}/"\n`, { kind: 'set' }],
    [`version = 2\n[${cri}]\nconfig_path = "/srv/certs"\n`, { kind: 'elsewhere', configPath: '/srv/certs' }],
    [`version = 2\n[${cri}.mirrors."docker.io"]\nendpoint = ["https://m.example"]\n`, { kind: 'legacy' }],
  ]
  for (const [text, verdict] of cases) {
    test(`finds ${JSON.stringify(verdict)} in ${JSON.stringify(text)}`, () => {
      assert.deepEqual(checkContainerdConfig(text, path), verdict)
    })
  }
})

describe('mergeContainerdConfig', () => {
  const texts: [name: string, text: string][] = [
    ['an empty file', ''],
    ['a file without the table', 'version = 2\n\n[plugins."io.containerd.grpc.v1.cri"]\n  sandbox_image = "pause"\n'],
    ['a file that does not end its last line', 'version = 2\nroot = "/data"'],
    ['a file with the table', `version = 2\n[ plugins . 'io.containerd.grpc.v1.cri' . registry ] # here\n  x = 1\n[debug]\nlevel = "info"\n`],
    ['what containerd prints as its defaults', `version = 2\n    [${cri}]\n      config_path = ""\n\n      [${cri}.mirrors]\n\n[timeouts]\n  a = "5s"\n`],
    ['an empty path at the very end', `version = 2\r\n[${cri}]\r\nconfig_path = ''`],
    ['version 3', 'version = 3\n[grpc]\n  address = "/run/c.sock"\n'],
  ]
  for (const [name, text] of texts) {
    test(`sets config_path in ${name}, keeps the rest, and takes it back to the byte`, () => {
      const merged = mergeContainerdConfig(text, path)
      assert.ok(merged !== undefined)
      assert.deepEqual(checkContainerdConfig(merged, path), { kind: 'set' })
      for (const [key, value] of Object.entries(tomlOf(text))) if (key !== 'plugins') assert.deepEqual(tomlOf(merged)[key], value)
      assert.equal(mergeContainerdConfig(merged, path), merged)
      assert.equal(withoutBlock(merged, path), text)
    })
  }

  test('makes a file that there was not', () => {
    const merged = mergeContainerdConfig(undefined, path) ?? ''
    assert.deepEqual(checkContainerdConfig(merged, path), { kind: 'set' })
    assert.equal(withoutBlock(merged, path), undefined)
  })

  test('does not guess where tables are written in another way', () => {
    assert.equal(mergeContainerdConfig('version = 2\nplugins = { "io.containerd.grpc.v1.cri" = { registry = {} } }\n', path), undefined)
  })

  test('leaves a path that is set', () => {
    const text = `version = 2\n[${cri}]\nconfig_path = "/srv/certs"\n`
    assert.equal(mergeContainerdConfig(text, path), text)
  })
})
